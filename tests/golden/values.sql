-- Every type that has a form of its own, each value in a row of its own: the rows are written once before the snapshot
-- and once more in the stream, so that both ways are compared.
--- setup
create extension citext;
create extension hstore;
create type mood as enum ('sad', 'so so', 'it''s, "fine"', 'été');
create domain price as numeric(8,3);
create domain short as varchar(4);
create table v_bool(id int generated always as identity primary key, v bool);
create table v_int(id int generated always as identity primary key, s smallint, i int, b bigint, o oid);
create table v_float(id int generated always as identity primary key, r real, d float8);
create table v_numeric(id int generated always as identity primary key, p numeric(10,2), w numeric(5,0), n numeric, b numeric(60,20), d price);
create table v_text(id int generated always as identity primary key, t text, v varchar(30), c char(5), b bpchar, q "char", ci citext, s short);
create table v_name(id int generated always as identity primary key, v name);
create table v_bytea(id int generated always as identity primary key, v bytea);
create table v_uuid(id int generated always as identity primary key, v uuid);
create table v_json(id int generated always as identity primary key, j json, b jsonb);
create table v_xml(id int generated always as identity primary key, v xml);
create table v_net(id int generated always as identity primary key, i inet, c cidr, m macaddr, m8 macaddr8);
create table v_range(id int generated always as identity primary key, i int4range, b int8range, n numrange, ts tsrange, tz tstzrange, d daterange);
create table v_tsvector(id int generated always as identity primary key, v tsvector);
create table v_date(id int generated always as identity primary key, v date);
create table v_time(id int generated always as identity primary key, t0 time(0), t1 time(1), t3 time(3), t4 time(4), t6 time, z timetz, z0 timetz(0), z3 timetz(3));
create table v_timestamp(id int generated always as identity primary key, t0 timestamp(0), t3 timestamp(3), t4 timestamp(4), t6 timestamp);
create table v_timestamptz(id int generated always as identity primary key, t0 timestamptz(0), t3 timestamptz(3), t4 timestamptz(4), t6 timestamptz);
create table v_interval(id int generated always as identity primary key, v interval, s interval(0));
create table v_bit(id int generated always as identity primary key, b1 bit(1), b3 bit(3), b20 bit(20), v1 varbit(1), v9 varbit(9), v varbit);
create table v_point(id int generated always as identity primary key, v point);
create table v_hstore(id int generated always as identity primary key, v hstore);
create table v_money(id int generated always as identity primary key, v money, d money default 1.5, n money not null default 2);
create table v_enum(id int generated always as identity primary key, v mood);
create table a_int(id int generated always as identity primary key, s smallint[], i int[], b bigint[], o oid[]);
create table a_bool(id int generated always as identity primary key, v bool[]);
create table a_float(id int generated always as identity primary key, r real[], d float8[]);
create table a_numeric(id int generated always as identity primary key, p numeric(10,2)[], n numeric[]);
create table a_text(id int generated always as identity primary key, t text[], v varchar(10)[], c char(3)[], ci citext[]);
create table a_bytea(id int generated always as identity primary key, v bytea[]);
create table a_uuid(id int generated always as identity primary key, v uuid[]);
create table a_json(id int generated always as identity primary key, j json[], b jsonb[]);
create table a_date(id int generated always as identity primary key, v date[]);
create table a_time(id int generated always as identity primary key, t time[], t3 time(3)[], z timetz[]);
create table a_timestamp(id int generated always as identity primary key, t3 timestamp(3)[], t6 timestamp[]);
create table a_timestamptz(id int generated always as identity primary key, t3 timestamptz(3)[], t6 timestamptz[]);
create table a_enum(id int generated always as identity primary key, v mood[]);
create table a_net(id int generated always as identity primary key, v inet[]);
create table a_dimensions(id int generated always as identity primary key, v int[]);
--- rows
insert into v_bool(v) values (true), (false), (null);
insert into v_int(s, i, b, o) values (1, 2, 3, 4), (-32768, -2147483648, -9223372036854775808, 0), (32767, 2147483647, 9223372036854775807, 4294967295),
  (0, 0, 9007199254740993, 26), (null, null, null, null);
insert into v_float(r, d) values (0, 0), ('-0', '-0'), (1.5, 1.5), (0.1, 0.1), (100, 100), ('NaN', 'NaN'), ('Infinity', 'Infinity'), ('-Infinity', '-Infinity'),
  (1e20, 1e20), (1e-5, 1e-5), (0.001, 0.001), (0.000999, 0.000999), (9999999, 9999999), (1e7, 1e7), (12345678, 12345678.9), (-1.5e-38, 2.2250738585072014e-308),
  (3.4028235e38, 1.7976931348623157e308), (1.4e-45, 4.9e-324), (2.8e-45, 1.5e-323), (9.8e-45, 2e-323), (16777216, 9007199254740993), (0.3333333, 0.3333333333333333), (123456.7, 123456789.125),
  (33554432, 1e21), (null, null);
insert into v_numeric(p, w, n, b, d) values (0, 0, 0, 0, 0), (1.10, 1, 1.10, 1.10, 1.1), (-1.10, -1, -1.10, -1.10, -1.1), (1.28, 128, 1.28, 1.28, 1.28), (-1.28, -128, -1.28, -1.28, -1.28),
  (2.55, 255, 2.55, 2.55, 2.55), (2.56, 256, 2.56, 2.56, 2.56), (99999999.99, 99999, 123.4500, 123.4500, 99999.999), (-99999999.99, -99999, 1e10, 1e30, -99999.999),
  (0.01, 10, 1000, 0.00000000000000000001, 0.001), (0.1, 100, 0.000, 9999999999999999999999999999999999999999.99999999999999999999, 0),
  (0.5, 5, 1e-20, -9999999999999999999999999999999999999999.99999999999999999999, 0.5), (7, 7, 1e131, 7, 7), (8, 8, -123456789012345678901234567890.123456789012345678901234567890, 8, 8),
  (9, 9, 100.00, 9, 9), (10, 11, 0.1000, 11, 11), (12, 12, 12345678901234567890.5, 12, 12), (null, null, null, null, null);
insert into v_numeric(p) values ('NaN');
insert into v_numeric(n) values ('NaN'), ('Infinity'), ('-Infinity');
insert into v_text(t, v, c, b, q, ci, s) values ('a', 'b', 'c', 'd', 'e', 'CiText', 'abcd'), ('', '', '', '', '', '', ''), ('é "q" \ / ''', 'ü', 'ö', 'ß', 'x', 'É', 'ñ'),
  (E'line\nfeed\ttab\rreturn\bback\fform\x01end\x1f\x7f', ' lead', ' ab', 'trail  ', '\', 'Mixed Case', '  '), ('snow ☃ and 😀 and ' || chr(8232) || chr(65533), '漢字', '漢字', 'NULL', '1', 'null', 'null'),
  (null, null, null, null, null, null, null);
insert into v_name(v) values ('a_name'), (null);
insert into v_bytea(v) values ('\x0102ff'), (''), ('\x00'), ('\xfbefbe3e3f'), ('\xdeadbeefcafe'), (null);
insert into v_money(v) values (1234.56), (-0.05), (0), (92233720368547758.07), (-92233720368547758.08), (null);
insert into v_uuid(v) values ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), ('{00000000-0000-0000-0000-000000000000}'), (null);
insert into v_json(j, b) values ('{"a": 1,  "b":[1, 2.50, null]}', '{"b": [1,2.50,null], "a":1}'), ('"text"', '"text"'), ('null', 'null'), ('[]', '{}'), ('1e5', '1e5'), ('{"é":"\u00e9\n☃"}', '{"é":"\u00e9\n☃"}'), (null, null);
insert into v_xml(v) values ('<a b="c">d</a>'), (null);
insert into v_net(i, c, m, m8) values ('192.168.1.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'), ('::1', '2001:db8::/32', null, null), ('10.1.2.3', '10.1.2.3/32', null, null);
insert into v_range(i, b, n, ts, tz, d) values ('[1,5)', '[1,5]', '(1.5,2.50]', '[2024-01-01,2024-01-02)', '[2024-01-01 00:00:00+00,2024-01-02 00:00:00+00)', '[2024-01-01,2024-01-02]'),
  ('empty', '(,)', '[1,)', 'empty', '(,2024-01-01 00:00:00+00)', '[2024-01-01,infinity)'), (null, null, null, null, null, null);
insert into v_tsvector(v) values ('a fat cat'), ('a:1 cat:3A'), (null);
insert into v_date(v) values ('2024-01-02'), ('1970-01-01'), ('1969-12-31'), ('1582-10-15'), ('1582-10-14'), ('1582-10-05'), ('1582-10-04'), ('1500-02-28'), ('1000-06-01'), ('0001-01-01'), ('9999-12-31'), ('10000-01-01'), ('infinity'), ('-infinity'), ('0044-03-15 BC'),
  ('0001-12-31 BC'), ('4713-01-01 BC'), ('5874897-12-31'), (null);
insert into v_time(t0, t1, t3, t4, t6, z, z0, z3) values ('01:02:03', '01:02:03.4', '01:02:03.123', '01:02:03.1234', '01:02:03.123456', '01:02:03.123456+02', '01:02:03+02', '01:02:03.123-08'),
  ('00:00', '00:00', '00:00', '00:00', '00:00', '00:00+00', '00:00+00', '00:00+00'), ('23:59:59', '23:59:59.9', '23:59:59.999', '23:59:59.9999', '23:59:59.999999', '23:59:59.999999-15:59', '23:59:59+15:59', '23:59:59.999+05:30'),
  ('12:00', '12:00:30', '12:00:00.100', '12:00:00.1', '12:00:00.12', '12:00:00.12+00', '12:00+00', '12:00:00.100+00'), (null, null, null, null, null, null, null, null);
insert into v_time(t0) values ('24:00');
insert into v_time(t3) values ('24:00');
insert into v_time(t6) values ('24:00');
insert into v_time(z) values ('24:00+00'), ('24:00-05');
insert into v_timestamp(t0, t3, t4, t6) values ('2024-01-02 03:04:05', '2024-01-02 03:04:05.123', '2024-01-02 03:04:05.1234', '2024-01-02 03:04:05.123456'), ('1970-01-01', '1970-01-01', '1970-01-01', '1970-01-01'),
  ('1969-12-31 23:59:59', '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.9999', '1969-12-31 23:59:59.999999'), ('1500-02-28 01:02:03', '1500-02-28 01:02:03.5', '1500-02-28 01:02:03.5', '1500-02-28 01:02:03.5'),
  ('0001-01-01', '0001-01-01', '0001-01-01', '0001-01-01'), ('9999-12-31 23:59:59', '9999-12-31 23:59:59.999', '9999-12-31 23:59:59.9999', '9999-12-31 23:59:59.999999'),
  ('10000-01-01', '10000-01-01', '10000-01-01', '10000-01-01'), ('2024-01-02 03:00', '2024-01-02 03:00', '2024-01-02 03:00', '2024-01-02 03:00'), ('2024-01-02 03:04', '2024-01-02 03:04:05.1', '2024-01-02 03:04:05.1', '2024-01-02 03:04:05.12'), (null, null, null, null);
insert into v_timestamp(t0) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00 BC'), ('294276-12-31 23:59:59');
insert into v_timestamp(t3) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00.5 BC'), ('294276-12-31 23:59:59.999');
insert into v_timestamp(t6) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00.5 BC'), ('4713-01-01 00:00:00 BC'), ('290000-01-01'), ('294276-12-31 23:59:59.999999');
insert into v_timestamptz(t0, t3, t4, t6) values ('2024-01-02 03:04:05+02', '2024-01-02 03:04:05.12+02', '2024-01-02 03:04:05.1234+02', '2024-01-02 03:04:05.123456+02'), ('1970-01-01+00', '1970-01-01+00', '1970-01-01+00', '1970-01-01+00'),
  ('1500-02-28 01:02:03+00', '1500-02-28 01:02:03.5+00', '1500-02-28 01:02:03.5+00', '1500-02-28 01:02:03.5+00'), ('0001-01-01+00', '0001-01-01+00', '0001-01-01+00', '0001-01-01+00'),
  ('9999-12-31 23:59:59+00', '9999-12-31 23:59:59.999+00', '9999-12-31 23:59:59.9999+00', '9999-12-31 23:59:59.999999+00'), ('10000-01-01+00', '10000-01-01+00', '10000-01-01+00', '10000-01-01+00'), (null, null, null, null);
insert into v_timestamptz(t0) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00+00 BC');
insert into v_timestamptz(t3) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00+00 BC');
insert into v_timestamptz(t6) values ('infinity'), ('-infinity'), ('0044-03-15 10:00:00+00 BC'), ('4713-01-01 00:00:00+00 BC'), ('294276-12-31 23:59:59.999999+00');
insert into v_interval(v, s) values ('1 year 2 mons 3 days 04:05:06.789', '00:00:05'), ('-1 day', '1 day'), ('0', '0'), ('-04:05:06.5', '-1 mon'), ('1 mon -1 day 00:00:00.000001', '100:00:00'),
  ('-1 year -2 mons +3 days -04:05:06.789', '13 mons'), ('7 mons', '25:00:00'), ('123456 days 23:59:59.999999', '-00:00:01'), ('178000000 years', '0'), ('00:00:00.5', '00:00:10'), ('3 mons 00:00:00.1', '1 year'), (null, null);
insert into v_bit(b1, b3, b20, v1, v9, v) values ('1', '101', '10000000000000000001', '1', '101', '10110'), ('0', '000', '00000000000000000000', '0', '', ''), ('1', '100', '00000000111100001111', '1', '100000000', '1111111111111111'), ('0', '001', '11111111111111111111', '0', '000000001', '0000000000000001'),
  (null, null, null, null, null, null);
insert into v_point(v) values ('(1,2)'), ('(-1.5,1e20)'), ('(0,-0)'), (null);
insert into v_hstore(v) values ('a=>1'), (''), ('"q\"k"=>"back\\slash é ☃"'), ('k=>NULL'), ('"k"=>"NULL"'), (null);
insert into v_enum(v) values ('sad'), ('so so'), ('it''s, "fine"'), ('été'), (null);
insert into a_int(s, i, b, o) values ('{1,2}', '{1,NULL,3}', '{9223372036854775807}', '{4294967295}'), ('{}', '{}', '{}', '{}'), (null, null, null, null), ('{NULL}', '{NULL}', '{NULL}', '{NULL}');
insert into a_int(i) values ('[0:1]={1,2}');
insert into a_bool(v) values ('{t,f,NULL}'), ('{}'), (null);
insert into a_float(r, d) values ('{1.5,-0,1e20}', '{1.5,2,NULL}'), ('{}', '{}'), (null, null);
insert into a_float(r) values ('{1,NaN}');
insert into a_float(d) values ('{1,NaN}'), ('{Infinity}');
insert into a_numeric(p, n) values ('{1.10,NULL,-99.99}', '{1.10,NULL,1e10,0.000}'), ('{}', '{}'), (null, null);
insert into a_numeric(n) values ('{1,NaN}');
insert into a_text(t, v, c, ci) values (array['a', 'b c', 'q"\', null, '', 'NULL', 'x,y', '{z}', 'é☃'], array['a', null, ' b '], array['a', null], array['Ci', null]), ('{}', '{}', '{}', '{}'), (null, null, null, null);
insert into a_bytea(v) values (array['\x0102ff'::bytea, null, '']), ('{}'), (null);
insert into a_uuid(v) values ('{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,NULL}'), ('{}'), (null);
insert into a_json(j, b) values (array['{"a": 1}'::json, null, '"x"'], array['{"a":1}'::jsonb, null, '[1,"b"]']), ('{}', '{}'), (null, null);
insert into a_date(v) values ('{2024-01-02,NULL,1969-12-31}'), ('{}'), (null), ('{infinity}'), ('{"0044-03-15 BC"}');
insert into a_time(t, t3, z) values ('{01:02:03.123456,NULL}', '{01:02:03.123}', '{01:02:03.5+02}'), ('{}', '{}', '{}'), (null, null, null), ('{24:00}', '{24:00}', '{24:00+00}');
insert into a_timestamp(t3, t6) values ('{2024-01-02 03:04:05.123,NULL}', '{2024-01-02 03:04:05.123456,NULL}'), ('{}', '{}'), (null, null);
insert into a_timestamp(t6) values ('{infinity}'), ('{"0044-03-15 10:00:00 BC"}');
insert into a_timestamptz(t3, t6) values ('{2024-01-02 03:04:05.12+02,NULL}', '{2024-01-02 03:04:05.123456+02,NULL}'), ('{}', '{}'), (null, null);
insert into a_timestamptz(t6) values ('{infinity}'), ('{-infinity}'), ('{"0044-03-15 10:00:00+00 BC"}');
insert into a_enum(v) values (array['sad', 'it''s, "fine"', null]::mood[]), (array['sad', 'it''s, "fine"']::mood[]), ('{}'), (null);
insert into a_net(v) values ('{192.168.1.1/24,NULL}'), ('{}'), (null);
insert into a_dimensions(v) values ('{{1,2},{3,4}}');
