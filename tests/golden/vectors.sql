-- pgvector's types.
--- setup
create extension vector;
create table v_vector(id int generated always as identity primary key, v vector, v3 vector(3), h halfvec, h2 halfvec(2), s sparsevec, s5 sparsevec(5));
create table v_vector_a(id int generated always as identity primary key, v vector[], h halfvec[], s sparsevec[]);
create table required(id int primary key, v vector(3) not null default '[1,2,3]', h halfvec(2) not null);
create table big(id int primary key, other int, v vector, h halfvec, va vector[]) with (toast_tuple_target = 128);
alter table big alter v set storage external, alter h set storage external, alter va set storage external;
--- rows
insert into v_vector(v, v3, h, h2, s, s5) values ('[1,2.5,-3e-5,0.1]', '[1,2,3]', '[1,0.1,65504]', '[0,-0]', '{1:1.5,3:2}/5', '{5:-0.1}/5'), ('[3.4028235e38]', '[0,0,0]', '[6e-8]', '[1,2]', '{}/3', '{}/5'), (null, null, null, null, null, null);
insert into v_vector_a(v, h, s) values ('{"[1,2]"}', '{"[1,2]"}', '{"{1:1.5}/5"}'), ('{}', '{}', '{}'), (null, null, null);
--- stream
insert into required values (1, '[4,5,6]', '[1,2]');
delete from required where id = 1;
insert into big select 1, 1, array_agg(i)::vector, array_agg(i)::vector::halfvec, array[array_agg(i)::vector] from generate_series(1, 1000) i;
update big set other = 2;
