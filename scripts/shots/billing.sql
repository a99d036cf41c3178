-- Billing: so many payments that their snapshot takes a while.
create table invoices(id int primary key, order_id int not null, amount numeric(10, 2) not null, due date not null, paid boolean not null default false);
create table payments(id int primary key, invoice_id int not null, amount numeric(10, 2) not null, method text not null, at timestamptz not null default now());
create table ledger_entries(id int primary key, account text not null, amount numeric(12, 2) not null, at timestamptz not null default now());
insert into invoices select g, g, (g * 91 % 9000 + 100) / 100.0, date '2026-11-01' + g % 60 from generate_series(1, 240000) g;
insert into payments select g, 1 + g % 240000, (g * 91 % 9000 + 100) / 100.0, (array['card', 'transfer', 'invoice'])[1 + g % 3] from generate_series(1, 820000) g;
insert into ledger_entries select g, 'account ' || g % 40, (g * 17 % 9000) / 100.0 from generate_series(1, 310000) g;
analyze;
create publication billing_pub for table invoices, payments, ledger_entries;
grant select on all tables in schema public to billing_cdc;
