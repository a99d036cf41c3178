-- Large values that an update did not touch, and NULLs, read again from the table: nothing that is read changes again.
--- setup
create table big(id int primary key, t text, b bytea, j jsonb, n numeric, ta text[], ia int[], ya bytea[], other int, nothing date);
alter table big alter t set storage external, alter b set storage external, alter j set storage external, alter n set storage external;
alter table big alter ta set storage external, alter ia set storage external, alter ya set storage external;
create table keyed(a text, u uuid, t text, other int, left_out text, primary key (u, a));
alter table keyed alter t set storage external, alter left_out set storage external;
create table unique_only(a int not null unique, t text, other int);
alter table unique_only alter t set storage external;
alter table unique_only replica identity using index unique_only_a_key;
create table moved(id int primary key, t text);
alter table moved alter t set storage external;
create table keyless(t text, other int);
alter table keyless alter t set storage external;
alter table keyless replica identity full;
--- stream
insert into big select 1, repeat('ab', 5000), decode(repeat('0aff', 3000), 'hex'), jsonb_build_object('k', repeat('v', 5000)), (repeat('7', 9000) || '.5')::numeric, array[repeat('x', 5000), null], array(select generate_series(1, 2000)), array[decode(repeat('01', 5000), 'hex')], 1, null;
update big set other = 2;
insert into keyed values ('it''s \ one', 'b68a35a7-17ad-35b3-af2a-ae46edb4545a', repeat('t', 5000), 0, repeat('l', 5000));
update keyed set other = 1;
insert into unique_only values (1, repeat('t', 5000), 1);
update unique_only set other = 2;
insert into moved values (1, repeat('t', 5000));
update moved set id = 2;
insert into keyless values (repeat('t', 5000), 1);
update keyless set other = null;
delete from keyless;
