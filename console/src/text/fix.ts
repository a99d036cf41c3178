// Fixes as a person can use them: what may be copied and run, apart from what is read. Pure. Promises that a script holds statements, and
// all else in it as comments.

/** A piece of a fix: text to read, or lines to run. */
export interface Piece {
  run: boolean;
  text: string;
}

/** A whole statement, quoted semicolons left alone; none with dots for what a person must write. */
const STATEMENT = `(?:ALTER|CREATE|DROP|GRANT|REVOKE|SELECT) (?:[^;'"]|'[^']*'|"[^"]*")*;`;
/** "if nobody needs it:  SELECT ...;   then restart". */
const LINE = new RegExp(`^(?:(.*?[:,;])\\s+)??((?:${STATEMENT}\\s*)+|rowfeed .*)(.*)$`);

/** The pieces of a fix that is one text, line by line: SQL or a command with words around it is taken out of them. */
export function pieces(fix: string): Piece[] {
  const found: Piece[] = [];
  const add = (run: boolean, text = "") => {
    const last = found.at(-1);
    const said = run ? text.trim() : text.trim().replace(/^-- ?/, "");
    if (said === "") return;
    if (last?.run === run) last.text += `\n${said}`;
    else found.push({ run, text: said });
  };
  for (const line of fix.split("\n")) {
    const parts = LINE.exec(line.trim());
    if (!parts || /\.\.\./.test(parts[2] ?? "")) add(false, line);
    else {
      add(false, parts[1]);
      add(true, parts[2]);
      add(false, parts[3]);
    }
  }
  return found;
}

interface Step {
  sql?: string;
  note?: string;
}

/** One script of many fixes: each statement once, notes as comments. */
export function script(fixes: readonly (readonly Step[])[]): string {
  const lines = fixes.flat().map(({ sql, note }) => sql ?? `-- ${note ?? ""}`);
  return [...new Set(lines)].join("\n");
}
