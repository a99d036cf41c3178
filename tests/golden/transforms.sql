-- What conditions, topics of rows and conversions of values look at. The tables c1 to c16 are the same: each has an expression of its own.
--- setup
create table proto(id int primary key, kind text, status text default 'new', price numeric(10,2), ratio float8, small smallint, n bigint, ok bool, note text);
insert into proto values (1, 'a', 'x', 10.50, 0.5, 1, 100, true, 'Hello'), (2, 'b', null, -1, null, null, null, false, null);
do $$ begin for i in 1..16 loop execute format('create table c%s (like proto including all)', i); execute format('alter table c%s replica identity full', i); execute format('insert into c%s select * from proto', i); end loop; end $$;
create table v1(id int primary key, s smallint, i int, l bigint, r real, d float8, b bool, t text, tn text, tf text, p numeric(10,2), p8 numeric(20,10), y bytea, da date, ti time(3), ts timestamp(3), us timestamp, tz timestamptz, tt text, def int default 5, defp numeric(6,2) not null default 1.5);
create table v2(like v1 including all);
create table v3(like v1 including all);
create table v4(like v1 including all);
alter table v3 replica identity full;
alter table v4 replica identity full;
do $$ begin for i in 1..4 loop execute format('create table r%s(id int primary key, way text, note text, n int default 5, req text not null)', i); end loop; end $$;
do $$ begin for i in 1..3 loop execute format('alter table r%s replica identity full', i); end loop; end $$;
--- stream
do $$ begin for i in 1..16 loop execute format('insert into c%s values (3, null, ''new'', 99.99, 1.5, 3, 9007199254740993, null, ''héllo wörld "q"''), (4, '''', ''y'', 0, 0, 0, 0, true, '''')', i); end loop; end $$;
do $$ begin for i in 1..16 loop execute format('update c%s set status = ''z'', kind = ''b'' where id in (1, 2)', i); end loop; end $$;
do $$ begin for i in 1..16 loop execute format('update c%s set note = ''hullo'' where id = 3', i); end loop; end $$;
do $$ begin for i in 1..16 loop execute format('update c%s set id = 5 where id = 4', i); end loop; end $$;
do $$ begin for i in 1..16 loop execute format('delete from c%s where id in (2, 3)', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('insert into v%s values (1, 1, 2, 3, 1.5, 2.5, true, ''True'', ''12'', ''1.25'', 12.50, 0.0000001500, ''\x0102ff'', ''2024-02-29'', ''01:02:03.456'', ''2024-02-29 01:02:03.456'', ''2024-02-29 01:02:03.456789'', ''2024-02-29 01:02:03.456789+00'', ''2024-02-29 01:02'')', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('insert into v%s values (2, -300, -70000, -9223372036854775808, 0.1, 1e20, false, ''x'', ''-7'', ''1e3'', -12345678.99, -123456789.0123456789, '''', ''1969-12-31'', ''00:00'', ''1969-12-31 23:59:59.999'', ''1969-12-31 23:59:59.999999'', ''1970-01-01 00:00:00+00'', ''1999-12-31 23:59'', null)', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('insert into v%s(id) values (3)', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('insert into v%s(id, l, r, d) values (4, 5000000000, ''NaN'', ''-Infinity'')', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update v%s set i = 7, t = null where id = 1', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update v%s set t = ''id'', id = 10 where id = 2', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('delete from v%s where id = 1', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('insert into r%s values (1, ''srv.way.a'', ''x "q"'', 1, ''r''), (2, null, ''y'', 2, ''s''), (3, ''  '', null, 3, ''t'')', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update r%s set note = ''z'' where id = 1', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update r%s set way = ''srv.way.b'', req = ''u'' where id = 2', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update r%s set n = n where id = 3', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('update r%s set id = 10, note = null where id = 1', i); end loop; end $$;
do $$ begin for i in 1..4 loop execute format('delete from r%s where id in (2, 3)', i); end loop; end $$;
