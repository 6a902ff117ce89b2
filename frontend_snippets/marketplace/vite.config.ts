// The page talks to the host of the demo, which is started by `python -m tcs_events.demo`. Where it
// listens elsewhere, TCS_EVENTS_DEMO_URL says so.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const host = process.env["TCS_EVENTS_DEMO_URL"] ?? "http://127.0.0.1:5000";
const proxy = { "/api/": host }; // with its last slash, since api.ts is a file of ours

export default defineConfig({
  plugins: [react()],
  base: "./", // a host may serve the built page from any folder
  define: { HOST_URL: JSON.stringify(host) },
  server: { proxy },
  // The built page runs under a strict policy, and so is shown under one. (The dev server's own
  // scripts would not.) No file becomes a data: address, which the policy does not allow.
  preview: { proxy, headers: { "Content-Security-Policy": "default-src 'self'" } },
  build: { assetsInlineLimit: 0 },
});
