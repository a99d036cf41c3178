-- What options change in the shape of events.
--- setup
create table cust(id int primary key, alt int, secret text, v text);
create table cust_full(id int primary key, alt int, secret text, v text);
alter table cust_full replica identity full;
create table no_key(a int, b text);
alter table no_key replica identity full;
create table by_index(id int primary key, code text not null, v int);
create unique index by_index_code on by_index(code);
alter table by_index replica identity using index by_index_code;
create table other(id int primary key, v bytea);
create table left_out(id int primary key, v text);
insert into cust values (1, 10, 's', 'v');
insert into no_key values (1, 'x');
--- stream
insert into cust values (2, 20, 's', 'v');
update cust set v = 'w' where id = 2;
update cust set alt = 21 where id = 2;
update cust set id = 3 where id = 2;
delete from cust where id = 3;
insert into cust_full values (2, 20, 's', 'v');
update cust_full set alt = 21 where id = 2;
update cust_full set secret = 't' where id = 2;
delete from cust_full where id = 2;
insert into no_key values (2, 'y');
update no_key set a = 3 where a = 2;
delete from no_key where a = 3;
insert into by_index values (1, 'a', 1);
update by_index set v = 2;
update by_index set code = 'b';
delete from by_index;
insert into other values (1, '\xfbef');
insert into left_out values (1, 'x');
truncate other;
