-- Outbox tables, whose rows are messages of the topics they name.
--- setup
create table outbox(id uuid primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255) not null, payload jsonb, tenant int,
  part int, at timestamp(3) default '2004-05-06', at_us timestamp, version int);
create table plain(id int primary key, v text);
--- rows
insert into outbox values ('11111111-2222-3333-4444-555555555554', 'warm', '0', 'Begun', '{"x": 0}', 0, 2, '2000-01-01', '2000-01-01', 9);
delete from outbox;
--- stream
insert into outbox values ('11111111-2222-3333-4444-555555555555', 'order', '42', 'OrderCreated', '{"id": 42, "total": 12.50, "lines": [{"sku": "a", "n": 1}, {"sku": "b"}], "note": null, "tags": [], "big": 3000000000, "open": true}', 7, 0, '2001-02-03 04:05:06.789', '2001-02-03 04:05:06.789999', 1);
insert into outbox values ('11111111-2222-3333-4444-555555555556', 'customer', 'c-1', 'CustomerRenamed', '{"name": "Ann \"A\" é"}', null, null, default, null, null);
insert into outbox values ('11111111-2222-3333-4444-555555555557', 'order', '42', 'OrderCancelled', null, 8, 1, null, '1970-01-01 00:00:00.000999', 2);
insert into outbox values ('11111111-2222-3333-4444-555555555558', 'order', '43', 'Mixed', '{"a": [1, "x"]}', 8, 1, '1970-01-01', null, 2);
begin;
insert into outbox values ('11111111-2222-3333-4444-555555555560', 'invoice', '1', 'A', '{"a": 1}', 1, 2, '2010-01-01 00:00:00.001', '2010-01-01 00:00:00.001', 3);
insert into outbox values ('11111111-2222-3333-4444-555555555561', 'order', '2', 'B', '{"b": "2"}', 1, 2, '2009-01-01 00:00:00.001', '2009-01-01 00:00:00.001', 4);
insert into plain values (1, 'x');
commit;
delete from outbox;
