import type { Cell } from '../api/types';

// A cell as a number: decimals come as text, so that no digit is lost.
export function numberOf(value: Cell | undefined): number | null {
  if (value === null || value === undefined || value === '' || typeof value === 'boolean') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}
