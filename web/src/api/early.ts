// The answers that public/start.js asked for before this code was there. Each is taken once, by whoever asks the same.
interface Early {
  status: number; // 0: it has not come yet
  text: string;
  done: Promise<{ status: number; text: string } | undefined>; // undefined: it will not come
}
declare global {
  interface Window {
    tarnEarly?: { take: (path: string) => Early | undefined; peek: (path: string) => Early | undefined } | undefined;
  }
}

export const takeEarly = (path: string): Early['done'] | undefined => window.tarnEarly?.take(path)?.done;

// What is there already, so that it is shown at once.
export function takeArrived(path: string): string | undefined {
  return window.tarnEarly?.peek(path)?.status === 200 ? window.tarnEarly.take(path)?.text : undefined;
}

// What was asked for somebody must not be shown to somebody else.
export function forgetEarly(): void {
  window.tarnEarly = undefined;
}

// Whether somebody was logged in when this browser was here last: only then everything is asked for at once.
export function rememberLogin(isLoggedIn: boolean): void {
  try {
    if (isLoggedIn) localStorage.setItem('tarn.here', 'yes');
    else localStorage.removeItem('tarn.here');
  } catch {
    // Storage may be switched off: then it is asked first who is there.
  }
}
