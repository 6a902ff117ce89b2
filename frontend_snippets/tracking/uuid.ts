/** Returns a random UUID: RFC 9562, section 5.4. */
export function randomUuid(): string {
  // Browsers have randomUUID on https and on localhost only. Decimal digits will do, too.
  return (
    crypto.randomUUID?.() ??
    "xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx".replace(/x/g, () =>
      String(crypto.getRandomValues(new Uint8Array(1))[0]! % 10),
    )
  );
}

/** Returns a UUID that begins with the time, which a database's index likes: section 5.7. */
export function timeUuid(now: number): string {
  // Twelve digits, whatever the clock says: it may be in 1970 or before.
  const time = Math.max(0, now).toString(16).padStart(12, "0");
  return time.replace(/.{8}/, "$&-") + "-7" + randomUuid().slice(15);
}
