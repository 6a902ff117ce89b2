/**
 * A jar of cookies in place of the document's own, whose removal happy-dom does not follow.
 *
 * Real browsers keep and remove the cookie in tests/browser.
 */
export class CookieJar {
  /** What pages have written, with its attributes. */
  readonly written: string[] = [];
  readonly #cookies = new Map<string, string>();

  constructor() {
    Object.defineProperty(document, "cookie", {
      configurable: true,
      get: () => [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; "),
      set: (text: string) => this.#write(text),
    });
  }

  #write(text: string): void {
    this.written.push(text);
    const [, name, value] = /^([^=;]+)=([^;]*)/.exec(text)!;
    if (/; *Max-Age=0(;|$)/.test(text)) this.#cookies.delete(name!);
    else this.#cookies.set(name!, value!);
  }

  get(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  /** Puts the document's own back. */
  close(): void {
    Reflect.deleteProperty(document, "cookie");
  }
}
