create table if not exists orders (
  id int primary key,
  customer text not null,
  status text not null default 'placed',
  total numeric(10, 2) not null
);
-- Old rows in the WAL, so that a change says from what to what.
alter table orders replica identity full;
