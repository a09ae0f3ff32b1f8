/**
 * A session as the owner reads it, whatever the store: the columns of the table, times in RFC 3339.
 *
 * @typedef {{ id: string, emailOfAccessor: string, sessionStartTime: string,
 *   sessionEndTime: string, endReason: string | null, endedAt: string | null,
 *   activeSeconds: number | null, currentPage: string | null,
 *   pages: Record<string, { seconds: number, scroll?: number }> | null }} Row
 */

/**
 * @param {string | number} id
 * @param {Record<string, any>} fields
 * @returns {Row}
 */
export function toRow(id, fields) {
  const { pages } = fields;
  return {
    id: String(id),
    emailOfAccessor: fields.emailOfAccessor,
    sessionStartTime: toRfc3339(fields.sessionStartTime) ?? "",
    sessionEndTime: toRfc3339(fields.sessionEndTime) ?? "",
    endReason: fields.endReason || null,
    endedAt: toRfc3339(fields.endedAt),
    activeSeconds: fields.activeSeconds ?? null,
    currentPage: fields.currentPage ?? null,
    pages: typeof pages === "string" ? JSON.parse(pages) : (pages ?? null),
  };
}

/** NocoDB answers `2026-01-02 03:04:05+00:00`. @param {string | null | undefined} time */
function toRfc3339(time) {
  return time ? new Date(time).toISOString() : null;
}
