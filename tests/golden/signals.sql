--- setup
create table a(id int primary key, v text);
create table b(id int primary key, v text);
create table empty(id int primary key);
create table "Order Items"(id int primary key);
create table signals(id varchar(64) primary key, type varchar(32) not null, data varchar(4096));
--- rows
insert into a select g, 'a' || g from generate_series(1 + (select coalesce(max(id), 0) from a), 3 + (select coalesce(max(id), 0) from a)) g;
insert into b select g, 'b' || g from generate_series(1 + (select coalesce(max(id), 0) from b), 2 + (select coalesce(max(id), 0) from b)) g;
insert into "Order Items" values (1 + (select coalesce(max(id), 0) from "Order Items"));
insert into signals select 'old' || count(*), 'log', '{"message":"before"}' from signals;
--- blocking
insert into a values (100, 'x');
insert into signals values ('log1', 'log', '{"message":"hello at {}"}');
insert into signals values ('s1', 'execute-snapshot', '{"data-collections":["public.b","public.a"],"type":"blocking","additional-conditions":[{"data-collection":"public.a","filter":"select * from public.a where id < 3"}]}');
update a set v = 'y' where id = 100;
update signals set type = 'log' where id = 's1';
insert into signals values ('s2', 'execute-snapshot', '{"data-collections":["public.*"],"type":"BLOCKING"}');
delete from signals where id = 'log1';
insert into signals values ('s3', 'execute-snapshot', '{"data-collections":["public.empty"],"type":"blocking"}');
insert into signals values ('s4', 'execute-snapshot', '{"data-collections":["public.nothing"],"type":"blocking"}');
insert into signals values ('s5', 'execute-snapshot', '{"data-collections":["public.a","public.b"],"type":"blocking","additional-conditions":[{"data-collection":"public.a","filter":"select nonsense"}]}');
insert into a values (101, 'z');
--- incremental
insert into signals values ('i1', 'execute-snapshot', '{"data-collections":["public.a","public.empty","public.nothing"],"type":"incremental","additional-conditions":[{"data-collection":"public.a","filter":"id <> 2"}]}');
insert into a values (100, 'x');
insert into signals values ('i2', 'execute-snapshot', '{"data-collections":["public.b"]}');
insert into signals values ('t1', 'stop-snapshot', '{"type":"INCREMENTAL"}');
update a set v = 'z' where id = 100;
--- xmin
insert into a values (100, 'x');
insert into signals values ('s1', 'execute-snapshot', '{"data-collections":["public.b"],"type":"blocking"}');
select pg_logical_emit_message(true, 'prefix', 'content');
insert into signals values ('i1', 'execute-snapshot', '{"data-collections":["public.b"]}');
delete from a where id = 100;
--- chunks
insert into signals values ('s1', 'execute-snapshot', '{"data-collections":["public.b","public.a"],"type":"blocking","additional-conditions":[{"data-collection":"public.a","filter":"select * from public.a where id < 3"}]}');
