import solid from "vite-plugin-solid";
import { defineConfig } from "vitest/config";

/** The app: one page, one script, one worker inside it, no file from anywhere else. */
export default defineConfig({
  base: "./",
  plugins: [solid()],
  worker: { format: "iife" },
  build: {
    outDir: "../src/attnscope/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rolldownOptions: {
      input: "app.html",
      output: { entryFileNames: "[name].js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]", minify: true },
    },
  },
  test: { environment: "node", include: ["tests/**/*.test.ts"] },
});
