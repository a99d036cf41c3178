-- Updates that change nothing that is published, and messages that are not asked for.
--- setup
create table t(id int primary key, v text, hidden text, big text, masked text);
alter table t alter big set storage external, replica identity full;
create table by_key(id int primary key, v text);
insert into t values (0, 's', 's', 's', 's');
--- stream
insert into t values (1, 'a', 'b', repeat('x', 5000), 'abcdef');
update t set v = v where id = 1;
update t set hidden = 'c' where id = 1;
update t set masked = 'abcxyz' where id = 1;
update t set v = 'd' where id = 1;
update t set v = null where id = 1;
update t set v = null where id = 1;
update t set id = 2 where id = 1;
insert into by_key values (1, 'a');
update by_key set v = v;
select pg_logical_emit_message(true, 'wanted', 'one');
select pg_logical_emit_message(false, 'WANTED-too', 'two');
select pg_logical_emit_message(true, 'other', 'three');
select pg_logical_emit_message(false, 'other', 'four');
insert into by_key values (2, 'after the messages');
