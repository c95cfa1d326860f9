// One way to call the API: JSON in and out, errors as ApiError.
import { takeArrived, takeEarly } from './early';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint?: string,
    readonly position?: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; hint?: string; position?: number };
}

export function errorFrom(status: number, text: string): ApiError {
  try {
    const error = (JSON.parse(text) as ErrorBody).error;
    if (error?.message) return new ApiError(status, error.code ?? 'unknown', error.message, error.hint, error.position);
  } catch {
    // Not from Tarn itself, but from something between: said below.
  }
  return new ApiError(status, 'unknown', `The server answered ${status} without saying why.`);
}

// Whole numbers that a JavaScript number cannot hold stay as text, so that no digit is lost.
export function parseExactly(text: string): unknown {
  if (!/(?<![\d.eE"])-?\d{16,}/.test(text)) return JSON.parse(text);
  const keep = (_key: string, value: unknown, context?: { source: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && context && /^-?\d+$/.test(context.source)
      ? context.source
      : value;
  return JSON.parse(text, keep as (key: string, value: unknown) => unknown);
}

export interface CallOptions {
  body?: unknown;
  match?: string; // the hash of what is replaced
  signal?: AbortSignal;
}

async function answerOf(method: string, path: string, options: CallOptions): Promise<Response> {
  try {
    return await fetch(`/api/v1${path}`, {
      method,
      credentials: 'same-origin',
      signal: options.signal ?? null,
      headers: {
        ...(options.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(options.match ? { 'If-Match': `"${options.match}"` } : {}),
      },
      body: options.body === undefined ? null : JSON.stringify(options.body),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'Tarn does not answer.', 'Look whether it runs: tarn up DIR');
  }
}

const textOf = async (response: Response) => ({ status: response.status, text: await response.text() });

export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const early = method === 'GET' ? await takeEarly(path) : undefined;
  const { status, text } = early ?? (await textOf(await answerOf(method, path, options)));
  if (status < 200 || status > 299) throw errorFrom(status, text);
  return (text === '' ? {} : parseExactly(text)) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  call<T>('GET', path, signal ? { signal } : {});
// What a GET would answer, if that is here already.
export function arrived<T>(path: string): T | undefined {
  const text = takeArrived(path);
  return text === undefined ? undefined : (parseExactly(text) as T);
}
export const post = <T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> =>
  call<T>('POST', path, signal ? { body, signal } : { body });
export const put = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('PUT', path, { body });
export const remove = <T>(path: string): Promise<T> => call<T>('DELETE', path);

// An answer that is a file.
export async function getFile(path: string): Promise<Blob> {
  const response = await answerOf('GET', path, {});
  if (!response.ok) throw errorFrom(response.status, await response.text());
  return response.blob();
}

// Path segments and query strings, encoded; empty values are left out.
export function path(strings: TemplateStringsArray, ...values: (string | number)[]): string {
  return strings.reduce((text, part, index) => text + encodeURIComponent(String(values[index - 1])) + part);
}
export function query(parameters: Record<string, string | number | null | undefined>): string {
  const pairs = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== '');
  if (pairs.length === 0) return '';
  return '?' + new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
}
