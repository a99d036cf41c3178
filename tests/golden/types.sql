-- Types that Debezium publishes only when it is asked for unknown ones, those of extensions, and arrays of all of them.
-- `omitted` has what it never publishes, `unmade` what it has a schema for and no value.
--- setup
create extension citext;
create extension hstore;
create extension ltree;
create extension isn;
create extension cube;
create extension postgis;
create type mood as enum ('sad', 'ok');
create domain whole as int;
create domain wholes as int[];
create domain price as numeric(8,3);
create domain moment as timestamp(3);
create type pair as (a int, b text);
create domain a_pair as pair;
create type floats as range (subtype = float8);
create table t_geometric(id int generated always as identity primary key, ln line, ls lseg, bx box, pt path, pg polygon, ci circle);
create table t_geometric_a(id int generated always as identity primary key, ln line[], ls lseg[], bx box[], pt path[], pg polygon[], ci circle[]);
create table t_range(id int generated always as identity primary key, i int4multirange, n nummultirange, d datemultirange, f floats, fm floats_multirange);
create table t_range_a(id int generated always as identity primary key, i int4multirange[], f floats[], r int4range[], n numrange[], tz tstzrange[]);
create table t_system(id int generated always as identity primary key, tq tsquery, l pg_lsn, t txid_snapshot, rc regclass, rt regtype, rp regproc, rn regnamespace, x xid, c cid, ti tid, x8 xid8, jp jsonpath, nm name);
create table t_system_a(id int generated always as identity primary key, tq tsquery[], l pg_lsn[], rc regclass[], x xid[], jp jsonpath[], tv tsvector[]);
create table t_composite(id int generated always as identity primary key, p pair, pa pair[], dp a_pair);
create table t_domain(id int generated always as identity primary key, da whole[], d wholes, na price[], ts moment, tsa moment[]);
create table t_char_a(id int generated always as identity primary key, c "char"[], q char[], m macaddr[], m8 macaddr8[], i cidr[]);
create table t_extension(id int generated always as identity primary key, lt ltree, lq lquery, lx ltxtquery, i isbn, i13 isbn13, s issn, ea ean13, u upc, cu cube);
create table t_extension_a(id int generated always as identity primary key, lt ltree[], h hstore[], ci citext[], i isbn[], cu cube[]);
create table t_gis(id int generated always as identity primary key, g geometry, p geometry(Point,4326), gg geography, b2 box2d, b3 box3d);
create table t_gis_a(id int generated always as identity primary key, g geometry[], gg geography[]);
create table required(id int primary key, g geometry not null, gg geography not null, ln line not null, p pair not null, lt ltree not null, h hstore not null, tv tsvector not null, pg polygon not null default '((0,0),(1,1))', wa whole[] not null);
create table big(id int primary key, other int, g geometry, gg geography, pg polygon, p pair, lt ltree, h hstore, tv tsvector, x xml, ga geometry[], wa whole[], cu cube[], tva tsvector[]) with (toast_tuple_target = 128);
alter table big alter g set storage external, alter gg set storage external, alter pg set storage external, alter p set storage external, alter lt set storage external, alter h set storage external, alter tv set storage external, alter x set storage external,
  alter ga set storage external, alter wa set storage external, alter cu set storage external, alter tva set storage external;
create table omitted(id int generated always as identity primary key, m money[], i interval[], x xml[], p point[], nm name[], v varbit(5)[], vv varbit[], a int);
create table unmade(id int generated always as identity primary key, b1 bit(1)[], b3 bit(3)[]);
--- rows
insert into t_geometric(ln, ls, bx, pt, pg, ci) values ('{1,2,3}', '[(1,2),(3,4)]', '(3,4),(1,2)', '[(1,2),(3,4)]', '((1,2),(3,4),(5,6))', '<(1,2),3>'), (null, null, null, '((1,2),(3.25,4e20))', null, null),
  ('{-1,0.5,1e-7}', '[(0,-0),(1e300,4)]', '(Infinity,4),(1,NaN)', null, null, '<(0,0),0>');
insert into t_geometric_a(ln, ls, bx, pt, pg, ci) values ('{"{1,2,3}"}', '{"[(1,2),(3,4)]"}', '{(3,4),(1,2);(7,8),(5,6)}', '{"[(1,2),(3,4)]"}', '{"((1,2),(3,4))"}', '{"<(1,2),3>"}'), ('{}', '{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null, null);
insert into t_range(i, n, d, f, fm) values ('{[1,2),[5,6)}', '{}', '{[2024-01-01,2024-02-01)}', '[1.5,2.5)', '{[1.5,2.5)}'), (null, null, null, null, null);
insert into t_range_a(i, f, r, n, tz) values ('{"{[1,2),[5,6)}"}', '{"[1.5,2.5)"}', '{"[1,2)",NULL}', '{"[1,2)"}', '{"[2024-01-01 00:00:00+00,)"}'), ('{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null);
insert into t_system(tq, l, t, rc, rt, rp, rn, x, c, ti, x8, jp, nm) values ('a & b', '0/16B3748', '10:20:10,14', 'fence', 'int4', 'now', 'public', '7', '8', '(1,2)', '18446744073709551615', '$.a', 'a_name'), (null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into t_system_a(tq, l, rc, x, jp, tv) values ('{"a & b"}', '{0/16B3748}', '{fence}', '{7}', '{$.a}', '{"''a'' ''b''",NULL}'), ('{}', '{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null, null);
insert into t_composite(p, pa, dp) values ('(1,x)', array['(1,x)'::pair], '(2,"y ""z""")'), ('(,)', '{}', null), (null, null, null);
insert into t_composite(pa) values (array['(1,x)'::pair, null]);
insert into t_domain(da, d, na, ts, tsa) values ('{1,2}', '{1,2}', '{1.5}', '2024-01-02 03:04:05.123', '{2024-01-02 03:04:05.123}'), ('{}', '{}', '{}', null, '{}'), (null, null, null, null, null);
insert into t_char_a(c, q, m, m8, i) values ('{a,b,NULL}', '{a,b}', '{08:00:2b:01:02:03}', '{08:00:2b:01:02:03:04:05}', '{10.0.0.0/8,NULL}'), ('{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null);
insert into t_extension(lt, lq, lx, i, i13, s, ea, u, cu) values ('a.b', 'a.*', 'a & b', '0-393-04002-X', '978-0-393-04002-9', '1436-4522', '978-0-393-04002-9', '220356483481', '(1,2)'), ('', null, null, null, null, null, null, null, null), (null, null, null, null, null, null, null, null, null);
insert into t_extension_a(lt, h, ci, i, cu) values ('{a.b,c}', array['a=>1'::hstore, null], '{Ci,NULL}', '{0-393-04002-X}', '{"(1,2)"}'), ('{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null);
insert into t_gis(g, p, gg, b2, b3) values ('SRID=4326;LINESTRING(1 2,3 4)', 'SRID=4326;POINT(1 2)', 'POINT(1 2)', 'BOX(1 2,3 4)', 'BOX3D(1 2 3,4 5 6)'), ('POINT Z (1 2 3)', 'SRID=4326;POINT EMPTY', 'POLYGON((0 0,1 0,1 1,0 0))', null, null),
  ('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(1 2,3 4))', null, null, null, null), ('SRID=3857;MULTIPOINT ZM (1 2 3 4)', null, null, null, null), ('POINT EMPTY', null, null, null, null), (null, null, null, null, null);
insert into t_gis_a(g, gg) values (array['SRID=4326;POINT(1 2)'::geometry, null, 'POINT(3 4)'], array['POINT(1 2)'::geography]), ('{}', '{}'), (null, null);
insert into omitted(m, i, x, p, nm, v, vv, a) values ('{$1.50,NULL}', '{1 day,NULL}', '{<a/>,NULL}', '{"(1,2)",NULL}', '{a_name,NULL}', '{101}', '{101}', 1), (null, null, null, null, null, null, null, 2);
insert into unmade(b1, b3) values ('{1,0,NULL}', '{101,NULL}'), (null, null);
--- stream
insert into required values (1, 'POINT(1 2)', 'POINT(1 2)', '{1,2,3}', '(1,x)', 'a.b', 'a=>1', 'a b', '((1,2))', '{1}');
delete from required where id = 1;
insert into big values (1, 1, st_makeline(array(select st_point(i, i) from generate_series(1, 200) i)), st_makeline(array(select st_setsrid(st_point(i / 10.0, 1), 4326) from generate_series(1, 200) i))::geography,
  ('(' || (select string_agg(format('(%s,%s)', i, i), ',') from generate_series(1, 200) i) || ')')::polygon, row(1, repeat('x', 3000))::pair, (select string_agg('l' || i, '.') from generate_series(1, 500) i)::ltree, hstore('k', repeat('v', 3000)),
  (select string_agg('w' || i, ' ') from generate_series(1, 500) i)::tsvector, xmlparse(content repeat('<a/>', 1000)), array(select st_point(i, i) from generate_series(1, 200) i), array(select i::whole from generate_series(1, 1000) i),
  array(select cube(i, i) from generate_series(1, 200) i), array[(select string_agg('w' || i, ' ') from generate_series(1, 500) i)::tsvector]);
update big set other = 2;
