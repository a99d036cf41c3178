-- Tables that share a topic, by the names of their topics.
--- setup
create table orders_1(id int primary key, v text);
create table orders_2(id int primary key, v text, w int);
create table keyless_1(v text);
alter table keyless_1 replica identity full;
create table "two keys_3"(a int, b text, primary key (b, a));
create table alone(id int primary key, v text);
--- stream
insert into orders_1 values (1, 'a');
insert into orders_2 values (1, 'b', 2);
update orders_2 set w = 3;
update orders_1 set id = 2;
delete from orders_2;
insert into keyless_1 values ('a "b"');
update keyless_1 set v = 'c';
insert into "two keys_3" values (1, 'x"y');
update "two keys_3" set a = 2;
delete from "two keys_3";
insert into alone values (1, 'a');
