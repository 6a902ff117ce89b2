import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const react18 = (name: string) =>
  fileURLToPath(new URL(`tests/react18/node_modules/${name}`, import.meta.url));

/** The components' tests run twice: with React 19, and with React 18 in its place. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "react19", include: ["tests/**/*.test.{ts,tsx}"] } },
      {
        test: { name: "react18", include: ["tests/**/*.test.tsx"] },
        resolve: {
          alias: {
            react: react18("react"),
            "react-dom": react18("react-dom"),
            "@testing-library/react": react18("@testing-library/react"),
          },
        },
      },
    ],
  },
});
