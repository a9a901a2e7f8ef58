import type { Plugin } from "vite";
import solid from "vite-plugin-solid";
import { defineConfig } from "vitest/config";

/** The server hands out the page at `/` and its files at `/static/…`, wherever it stands behind a proxy. */
const filesUnderStatic: Plugin = {
  name: "files-under-static",
  transformIndexHtml: { order: "post", handler: (html) => html.replaceAll('"./', '"static/') },
};

/** The app: one page, one script, one worker inside it, no file from anywhere else. */
export default defineConfig({
  base: "./",
  plugins: [solid(), filesUnderStatic],
  worker: { format: "iife" },
  build: {
    outDir: "../src/attnscope/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rolldownOptions: {
      input: "app.html",
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
        minify: true,
      },
    },
  },
  test: { environment: "node", include: ["tests/**/*.test.ts"], testTimeout: 60_000 },
});
