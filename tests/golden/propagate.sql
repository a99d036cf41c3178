-- What a schema says of a column's type in the database. Rows come in the stream only: Debezium's snapshot has other lengths.
--- setup
create type mood as enum ('sad', 'ok');
create domain price as numeric(10, 2);
create extension if not exists citext;
create extension if not exists hstore;
create table numbers(id serial primary key, s smallint, b bigint, r real, d double precision, n numeric, p numeric(10, 2), m money, o oid, t boolean);
create table texts(id int primary key, v varchar(50), u varchar, c char(3), t text, i citext, n name, h hstore, j jsonb, x xml, g uuid, y bytea, k "char");
create table times(id int primary key, d date, t time, t3 time(3), z timetz, s timestamp, s0 timestamp(0), s1 timestamp(1), w timestamptz(3), i interval, i2 interval(2));
create table others(id int primary key, e mood, q price, a int[], v varchar(5)[], f bit(3), g varbit, h varbit(7), ip inet, r int4range, pt point, ts tsvector);
create table "Odd Names"("Id no" int primary key, "größe" text);
create table cut(id int primary key, a varchar(20), b varchar(20), c varchar(20));
--- stream
insert into numbers values (1);
insert into texts values (1);
insert into times values (1);
insert into others values (1);
insert into "Odd Names" values (1);
insert into cut values (1, 'abcdef', 'abcdef', null);
