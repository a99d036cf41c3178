// Fixes as a person can use them: what may be copied and run, apart from what is read. Pure. Promises that a script holds statements, and
// all else in it as comments.

/** A piece of a fix: text to read, or lines to run. */
export interface Piece {
  run: boolean;
  text: string;
}

/** A whole statement, quoted semicolons left alone; none with dots for what a person must write. */
const STATEMENT = `(?:ALTER|CREATE|DROP|GRANT|REVOKE|SELECT) (?:[^;'"]|'[^']*'|"[^"]*")*;`;
/** "SELECT ...;      -- if nobody needs it". */
const LINE = new RegExp(`^((?:${STATEMENT}\\s*)+|rowfeed .*)(.*)$`);

/** The pieces of a fix that is one text: a line is SQL or a command, maybe with words behind it, or words. */
export function pieces(fix: string): Piece[] {
  const steps = fix.split("\n").flatMap((line): Step[] => {
    const [, sql, note] = LINE.exec(line.trim()) ?? [];
    return sql && !sql.includes("...") ? [{ sql: sql.trim() }, { note }] : [{ note: line }];
  });
  return piecesOf(steps);
}

export interface Step {
  sql?: string | undefined;
  note?: string | undefined;
}

/** The pieces of a fix that is told step by step, in its order; those of a kind are one. */
export function piecesOf(steps: readonly Step[]): Piece[] {
  const found: Piece[] = [];
  for (const { sql, note = "" } of steps) {
    const [run, text] = [sql !== undefined, sql ?? note.trim().replace(/^-- ?/, "")];
    const last = found.at(-1);
    if (text === "") continue;
    if (last?.run === run) last.text += `\n${text}`;
    else found.push({ run, text });
  }
  return found;
}

/** One script of many fixes: each statement once, notes as comments. */
export function script(fixes: readonly (readonly Step[])[]): string {
  const lines = fixes.flat().map(({ sql, note }) => sql ?? `-- ${note ?? ""}`);
  return [...new Set(lines)].join("\n");
}
