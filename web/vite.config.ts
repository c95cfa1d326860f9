import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// `TARN_URL` is where the API answers while developing: a running Tarn, or the mock server in mock/.
const api = process.env.TARN_URL ?? 'http://127.0.0.1:8099';

export default defineConfig({
  plugins: [react()],
  server: { host: '127.0.0.1', proxy: { '/api': { target: api, changeOrigin: true } } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
});
