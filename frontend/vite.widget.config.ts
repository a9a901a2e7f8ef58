import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

/** The notebook's widget: one module with styles and worker inside it, laid beside what is built already. */
export default defineConfig({
  plugins: [solid()],
  worker: { format: "iife" },
  build: {
    outDir: "../src/attnscope/static",
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/entry/widget.ts", formats: ["es"], fileName: () => "widget.js" },
    // In library mode Vite leaves the minifying to whoever builds the page; here nobody does.
    rolldownOptions: { output: { minify: true } },
  },
});
