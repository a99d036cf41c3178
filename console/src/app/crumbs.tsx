// The way to a page: Connectors / shop. The page itself is not in it, its h1 is right below.

export interface Crumb {
  title: string;
  href: string;
}

export function Crumbs({ of }: { of: Crumb[] }) {
  return (
    <nav class="crumbs" aria-label="Breadcrumbs">
      <ol>
        {of.map((crumb) => (
          <li key={crumb.href}>
            <a href={crumb.href}>{crumb.title}</a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
