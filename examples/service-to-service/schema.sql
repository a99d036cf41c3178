-- The order service's database, and the shipping service's: two schemas here, two servers as well.
create table if not exists orders (
  id bigint generated always as identity primary key,
  customer text not null,
  total numeric(10, 2) not null
);
-- What the order service tells others, in the columns that Debezium's outbox event router looks for.
create table if not exists outbox (
  id uuid primary key default gen_random_uuid(),
  aggregatetype text not null,   -- the topic
  aggregateid text not null,     -- the key: events of one order stay in order
  type text not null,
  payload jsonb not null
);

create schema if not exists shipping;
create table if not exists shipping.events (
  id uuid primary key,                       -- of the outbox row: the same however often the event comes
  deliveries int not null default 1
);
create table if not exists shipping.shipments (
  id bigint generated always as identity primary key,
  order_id bigint not null,
  address text not null
);
