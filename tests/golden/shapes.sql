-- What happens to rows: keys, identities, large values, names, transactions, other records.
--- setup
create type mood as enum ('sad', 'ok');
create table plain(id int primary key, v text, n int default 5);
create table full_row(id int primary key, v text, n int default 5);
alter table full_row replica identity full;
create table by_index(id int, code text not null, other int);
create unique index by_index_code on by_index(code);
alter table by_index replica identity using index by_index_code;
create table keyless(a int, b text);
alter table keyless replica identity full;
create table unique_only(a int, b text, c int);
create unique index unique_only_b on unique_only(b);
create unique index unique_only_ca on unique_only(c, a);
alter table unique_only replica identity full;
create table composite(a text, b int, c timestamptz, v text, primary key (c, a, b));
create table text_key(k text, n numeric(12,8), f real, b bool, e mood, v int, primary key (k, n, f, b, e));
create table key_types(u uuid, d date, n numeric(5,2), f float8, v int, primary key (u, d, n, f));
create table "Odd ""Name"" é"("Id" int primary key, "col umn" text, "q""uote" int, "é" text, "UP" bool, "back\slash" text, "dollar$" int);
create schema "s.1 é";
create table "s.1 é"."t-a_b"(id int primary key, v text);
create table fillers(id int primary key, b bool not null, s smallint not null, i int not null, l bigint not null, r real not null, d float8 not null, n numeric not null, p numeric(6,2) not null,
  t text not null, v varchar(5) not null, c char(3) not null, y bytea not null, u uuid not null, j json not null, jb jsonb not null, da date not null, t3 time(3) not null, t6 time not null, tz timetz not null,
  ts3 timestamp(3) not null, ts6 timestamp not null, z0 timestamptz(0) not null, z3 timestamptz(3) not null, z6 timestamptz not null, m mood not null, ai int[] not null, at text[] not null, o oid not null, ip inet not null);
create table defaulted(id serial primary key, a int default 5, b int not null default 7, t text default 'x', u text not null default 'it''s', n numeric(6,2) not null default 1.5, f float8 not null default 2.5, nn numeric not null default 12.50,
  bo bool not null default true, d date not null default '2024-01-02', ts timestamp not null default '2024-01-02 03:04:05.123456', z timestamptz not null default '2024-01-02 03:04:05.123456+00', t3 time(3) not null default '01:02:03.123',
  m mood not null default 'ok', j jsonb not null default '{"a": 1}', y bytea not null default '\x0102', uu uuid not null default '11111111-2222-3333-4444-555555555555', ai int[] not null default '{1,2}', c char(4) not null default 'ab',
  w timestamptz not null default now(), g uuid not null default gen_random_uuid(), cd date not null default current_date, ex int not null default 1 + 1, lo text not null default lower('ABC'), neg int not null default -3, s smallint not null default 3, bi bigint not null default 9007199254740993);
create table generated(id int primary key, a int, g int generated always as (a * 2) stored);
create table big(id int primary key, other int, t text, v varchar, c char(120), y bytea, j json, b jsonb, n numeric, p numeric(300,2), ta text[], va varchar(200)[], ya bytea[], ia int[], la bigint[], sa smallint[], da date[], ua uuid[], ja json[], ba jsonb[],
  na numeric[], fa float8[], ra real[], za timestamptz[], tsa timestamp[], tia time[], boa bool[], ea mood[], oa oid[], ipa inet[]) with (toast_tuple_target = 128);
alter table big alter t set storage external, alter v set storage external, alter c set storage external, alter y set storage external, alter j set storage external, alter b set storage external, alter n set storage external, alter p set storage external,
  alter ta set storage external, alter va set storage external, alter ya set storage external, alter ia set storage external, alter la set storage external, alter sa set storage external, alter da set storage external, alter ua set storage external,
  alter ja set storage external, alter ba set storage external, alter na set storage external, alter fa set storage external, alter ra set storage external, alter za set storage external, alter tsa set storage external, alter tia set storage external,
  alter boa set storage external, alter ea set storage external, alter oa set storage external, alter ipa set storage external;
create table big_not_null(id int primary key, other int, t text not null, y bytea not null, ia int[] not null) with (toast_tuple_target = 128);
alter table big_not_null alter t set storage external, alter y set storage external, alter ia set storage external;
create table big_full(id int primary key, other int, t text, y bytea, ia int[], fa float8[]) with (toast_tuple_target = 128);
alter table big_full alter t set storage external, alter y set storage external, alter ia set storage external, alter fa set storage external;
alter table big_full replica identity full;
create table cleared(id int primary key, v text);
create table cleared_too(id int primary key, v text);
create table changing(id int primary key, v text);
create table parted(id int, v text, primary key (id)) partition by range (id);
create table parted_low partition of parted for values from (0) to (100);
create table parted_high partition of parted for values from (100) to (1000);
insert into plain values (1, 'one', 1), (2, null, null);
insert into full_row values (1, 'one');
insert into keyless values (1, 'x'), (null, null);
insert into unique_only values (1, 'x', 1), (2, null, 2);
insert into "Odd ""Name"" é" values (1, 'a', 2, 'b', true, 'c', 3);
insert into generated values (1, 2);
--- stream
insert into plain values (3, 'three'), (4, 'four'), (5, 'five');
insert into plain(id) values (6);
update plain set v = 'THREE' where id = 3;
update plain set v = null, n = null where id = 4;
update plain set v = v where id = 5;
update plain set id = 7 where id = 5;
update plain set id = id + 100;
delete from plain where id = 103;
delete from plain where id = 104;
begin; insert into plain values (20, 'kept'); savepoint a; insert into plain values (21, 'gone'); rollback to a; insert into plain values (22, 'kept'); commit;
begin; insert into plain values (23, 'gone'); rollback;
begin; insert into plain values (30, 'in one'); insert into full_row values (30, 'transaction'); insert into keyless values (30, 'with three'); update plain set v = 'tables' where id = 30; delete from plain where id = 30; commit;
insert into full_row values (2, 'two', null);
update full_row set v = 'TWO' where id = 2;
update full_row set id = 3 where id = 2;
update full_row set v = v where id = 3;
delete from full_row where id = 3;
insert into by_index values (1, 'a', 1), (2, 'b', 2);
update by_index set other = 3 where id = 1;
update by_index set id = 9 where id = 1;
update by_index set code = 'c' where id = 9;
delete from by_index where id = 2;
insert into keyless values (2, 'y');
update keyless set b = 'z' where a = 2;
delete from keyless where a = 2;
insert into unique_only values (3, 'three', 3), (4, null, 4);
update unique_only set c = 33 where a = 3;
update unique_only set b = 'THREE' where a = 3;
update unique_only set b = 'four' where a = 4;
delete from unique_only where a = 3;
insert into composite values ('k', 1, '2024-01-02 03:04:05+00', 'v');
update composite set v = 'w';
update composite set a = 'K';
delete from composite;
insert into key_types values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-01-02', 1.10, 1.5, 1), ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'infinity', 0, 'NaN', 2);
update key_types set v = 3;
insert into text_key values (E'a "q" \\ \n\t é 😀', 0.00000150, 1e10, true, 'ok', 1), ('b', 0, '-0', false, 'sad', 2), ('c', -12.5, 'Infinity', false, 'sad', 3);
update text_key set k = k || '!';
delete from text_key;
update key_types set n = 2;
delete from key_types;
insert into "Odd ""Name"" é" values (2, 'a', 2, 'b', true, 'c', 3);
update "Odd ""Name"" é" set "Id" = 3 where "Id" = 2;
delete from "Odd ""Name"" é" where "Id" = 3;
insert into "s.1 é"."t-a_b" values (1, 'x');
delete from "s.1 é"."t-a_b";
insert into fillers values (1, true, 1, 1, 1, 1, 1, 1, 1, 'x', 'x', 'x', '\x01', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1', '1', '2024-01-02', '01:02', '01:02', '01:02+00', '2024-01-02', '2024-01-02', '2024-01-02+00', '2024-01-02+00', '2024-01-02+00', 'ok', '{1}', '{x}', 1, '10.0.0.1');
update fillers set id = 2;
delete from fillers;
insert into defaulted(a, t, w, g, cd) values (null, null, '2024-01-02 03:04:05+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-01-02');
insert into defaulted(w, g, cd) values ('2024-01-02 03:04:05+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-01-02');
update defaulted set a = 6 where id = 1;
update defaulted set id = 10 where id = 1;
delete from defaulted;
insert into generated values (2, 3);
update generated set a = 4 where id = 2;
delete from generated where id = 2;
insert into big select 1, 1, repeat('t', 150), repeat('v', 150), repeat('c', 120), decode(repeat('ab', 150), 'hex'), ('"' || repeat('j', 150) || '"')::json, ('"' || repeat('b', 150) || '"')::jsonb, repeat('1', 300)::numeric, repeat('2', 290)::numeric,
  array_fill('text'::text, array[20]), array_fill('varchar'::varchar, array[20]), array_fill('\x01'::bytea, array[40]), array_fill(1, array[40]), array_fill(2::bigint, array[40]), array_fill(3::smallint, array[80]), array_fill('2024-01-02'::date, array[40]),
  array_fill('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, array[10]), array_fill('{"a": 1}'::json, array[20]), array_fill('{"a": 1}'::jsonb, array[20]), array_fill(1.5::numeric, array[20]), array_fill(1.5::float8, array[20]), array_fill(1.5::real, array[40]),
  array_fill('2024-01-02 03:04:05+00'::timestamptz, array[20]), array_fill('2024-01-02 03:04:05'::timestamp, array[20]), array_fill('01:02:03'::time, array[20]), array_fill(true, array[150]), array_fill('ok'::mood, array[40]), array_fill(4::oid, array[40]), array_fill('10.0.0.1'::inet, array[20]);
update big set other = 2;
update big set id = 2;
update big set t = 'small', ia = null;
delete from big;
insert into big_not_null select 1, 1, repeat('t', 1500), decode(repeat('ab', 600), 'hex'), array_fill(1, array[40]);
update big_not_null set other = 2;
delete from big_not_null;
insert into big_full select 1, 1, repeat('t', 1500), decode(repeat('ab', 600), 'hex'), array_fill(1, array[40]), array_fill(1.5::float8, array[20]);
update big_full set other = 2;
update big_full set id = 2;
delete from big_full;
insert into cleared values (1, 'a');
insert into cleared_too values (1, 'a');
truncate cleared;
begin; insert into cleared values (2, 'b'); truncate cleared, cleared_too; insert into cleared values (3, 'c'); commit;
insert into changing values (1, 'a');
alter table changing add column w int;
insert into changing values (2, 'b', 5);
delete from changing where id = 1;
alter table changing drop column v;
insert into changing values (3, 6);
alter table changing rename column w to x;
begin; insert into changing values (4, 7); alter table changing add column y text; insert into changing values (5, 8, 'y'); commit;
alter table changing alter column y type varchar(10), alter column x type bigint;
insert into changing values (6, 9, 'z');
insert into parted values (2, 'low'), (300, 'high');
update parted set id = 400 where id = 2;
delete from parted where id = 300;
select pg_logical_emit_message(true, 'pfx', 'content é');
select pg_logical_emit_message(false, 'pfx', 'outside');
begin; insert into plain values (40, 'with message'); select pg_logical_emit_message(true, 'in "tx"', '\x0102ff'::bytea); select pg_logical_emit_message(false, 'out of tx', ''); delete from plain where id = 40; commit;
