import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    outDir: "static",
    rollupOptions: { input: "frontend/page.ts", output: { entryFileNames: "page.js" } },
  },
});
