// Builds src/report/main.ts to dist/report/draw.js, one script in ES5: the engine that runs it is Duktape.
import ts from 'typescript';
import { defineConfig, type Plugin } from 'vite';

function toEs5(): Plugin {
  return {
    name: 'es5',
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        const done = ts.transpileModule(file.code, {
          compilerOptions: {
            target: ts.ScriptTarget.ES5,
            ignoreDeprecations: '6.0',
            downlevelIteration: true,
            removeComments: true,
          },
        });
        file.code = done.outputText;
      }
    },
  };
}

export default defineConfig({
  plugins: [toEs5()],
  build: {
    outDir: 'dist/report',
    emptyOutDir: true,
    copyPublicDir: false,
    minify: false,
    target: 'es2022',
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      input: 'src/report/main.ts',
      output: { format: 'iife', entryFileNames: 'draw.js' },
    },
  },
});
