import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `TARN_URL` is where the API answers while developing: a running Tarn, or the mock server in mock/.
const api = process.env.TARN_URL ?? 'http://127.0.0.1:8099';

// The browser's own Host stays, so that the API sees calls from its own origin.
const proxy = Object.fromEntries(['/api/', '/metrics'].map((path) => [path, { target: api }]));

export default defineConfig({
  plugins: [react()],
  server: { host: '127.0.0.1', proxy },
  preview: { host: '127.0.0.1', proxy },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
});
