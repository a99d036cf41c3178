-- Where transactions begin and end, and the place of each event in its own.
--- setup
create table a(id int primary key, v text);
create table b(id int primary key, v text);
create table orders(id int primary key, v text);
create table "Order Items"(id int primary key, v text);
create table customers(id int primary key, v text);
create table addresses(id int primary key, v text);
create table no_key(v text);
create table left_out(id int primary key, v text);
alter table a replica identity full;
alter table no_key replica identity full;
insert into a values (0, 'snapshot'), (1, 'snapshot');
--- stream
insert into a values (10, 'one row');
begin; insert into a values (11, 'a'); insert into b values (11, 'b'); insert into a values (12, 'c'); update a set v = 'd' where id in (11, 12); delete from b where id = 11; commit;
begin; update a set id = id + 100 where id in (11, 12); insert into no_key values ('x'); commit;
begin; insert into orders values (1, 'x'); insert into "Order Items" select n, 'y' from generate_series(1, 5) n; insert into customers values (1, 'x'); insert into addresses values (1, 'x'); insert into b values (1, 'x'); insert into a values (13, 'x'); insert into no_key values ('y'); commit;
begin; insert into left_out values (1, 'x'); insert into a values (14, 'x'); insert into left_out values (2, 'x'); commit;
insert into left_out values (3, 'x');
begin; insert into a values (15, 'x'); savepoint s; insert into a values (16, 'undone'); rollback to s; insert into a values (17, 'x'); commit;
begin; insert into a values (18, 'never'); rollback;
begin; truncate orders, customers; insert into orders values (2, 'x'); commit;
begin; delete from a where id = 0; commit;
update a set v = v where id = 1;
