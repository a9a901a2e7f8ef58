import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

/** The script of an exported page: one classic script with styles and worker inside it, laid beside what is built already. */
export default defineConfig({
  plugins: [solid()],
  worker: { format: "iife" },
  build: {
    outDir: "../src/attnscope/static",
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/entry/export.ts", formats: ["iife"], name: "attnscope", fileName: () => "export.js" },
    rolldownOptions: { output: { minify: true } },
  },
});
