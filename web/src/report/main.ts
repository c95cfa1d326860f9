// The script that draws reports, in the program's sandbox: a report's data in, pages of SVG out. Built to the language
// of 2009 (vite.report.config.ts), for the engine there is small.
import './es2015';
import type { ReportInput } from './input';
import { pagesOf } from './page';

(globalThis as unknown as { tarnReport: (text: string) => string }).tarnReport = (text) => {
  return JSON.stringify({ pages: pagesOf(JSON.parse(text) as ReportInput) });
};
