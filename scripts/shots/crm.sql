-- Customer relations: small tables, few changes.
create table accounts(id int primary key, name text not null, owner text not null, stage text not null);
create table contacts(id int primary key, account_id int not null references accounts, name text not null, email text not null, note text);
alter table accounts replica identity full;
insert into accounts select g, 'Account ' || g, (array['Ito', 'Berg', 'Silva'])[1 + g % 3], 'lead' from generate_series(1, 2000) g;
insert into contacts select g, 1 + g % 2000, 'Contact ' || g, 'contact' || g || '@example.com' from generate_series(1, 5000) g;
analyze;
create publication crm_pub for table accounts, contacts;
grant select on all tables in schema public to crm_cdc;
