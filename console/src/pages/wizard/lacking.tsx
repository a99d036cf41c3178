// What a step lacks that no single field shows: told at once, and gone to.

export function Lacking({ what }: { what: string | undefined }) {
  return what ? (
    <p class="say-error" role="alert" data-lacks tabIndex={-1}>
      ✗ {what}
    </p>
  ) : null;
}
