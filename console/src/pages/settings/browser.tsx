// What this browser remembers of its person's taste. Nothing else is stored in it.

import { rows, theme, zone } from "../../app/preferences";
import { Choice } from "../../ui/choice";

export function Browser() {
  return (
    <>
      <div>
        <h2>Theme</h2>
        <Choice label="Theme" of={[["system", "As the system"], ["light", "Light"], ["dark", "Dark"]] as const} value={theme.value} onChange={(value) => (theme.value = value)} />
      </div>
      <div>
        <h2>Times</h2>
        <Choice label="Times" of={[["local", "Local zone"], ["utc", "UTC"]] as const} value={zone.value} onChange={(value) => (zone.value = value)} />
      </div>
      <div>
        <h2>Rows of tables</h2>
        <Choice label="Rows of tables" of={[["dense", "Dense"], ["comfortable", "Comfortable"]] as const} value={rows.value} onChange={(value) => (rows.value = value)} />
      </div>
      <p class="muted">Kept in this browser's storage. A login is a cookie that scripts cannot read; nothing of your data is stored here.</p>
    </>
  );
}
