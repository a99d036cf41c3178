create table if not exists orders (
  id int primary key,
  user_id int not null,
  status text not null default 'placed'
);
-- What is to be told, in the columns that Debezium's outbox event router looks for.
create table if not exists outbox (
  id uuid primary key default gen_random_uuid(),
  aggregatetype text not null,
  aggregateid text not null,
  type text not null,
  payload jsonb not null
);

-- Two ways to the same topic. A row of the outbox table, in the transaction of what it tells of:
create or replace procedure ship(order_id int) language sql as $$
  update orders set status = 'shipped' where id = order_id;
  insert into outbox (aggregatetype, aggregateid, type, payload)
    select 'notifications', user_id, 'OrderShipped', jsonb_build_object('user_id', user_id, 'text', 'Order ' || id || ' is on its way') from orders where id = order_id;
$$;

-- Or a message in the WAL: no table, nothing to clean up. It, too, is there if and only if its transaction commits.
create or replace procedure cancel(order_id int) language sql as $$
  update orders set status = 'cancelled' where id = order_id;
  select pg_logical_emit_message(true, 'outbox', jsonb_build_object(
    'id', gen_random_uuid(), 'aggregatetype', 'notifications', 'aggregateid', user_id::text, 'type', 'OrderCancelled',
    'payload', jsonb_build_object('user_id', user_id, 'text', 'Order ' || id || ' is cancelled'))::text) from orders where id = order_id;
$$;
