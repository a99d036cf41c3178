--- setup
create table a(id int primary key, v text);
create table b(id int primary key, v text);
create table empty(id int primary key);
create table "Order Items"(id int primary key);
--- rows
insert into a select g, 'a' || g from generate_series(1 + (select coalesce(max(id), 0) from a), 3 + (select coalesce(max(id), 0) from a)) g;
insert into b values (1 + (select coalesce(max(id), 0) from b), 'b');
insert into "Order Items" values (1 + (select coalesce(max(id), 0) from "Order Items"));
--- stream
update a set v = 'x' where id = 1;
