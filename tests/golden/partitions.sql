-- A partitioned table, published as one.
--- setup
create table parted(id int, v text, primary key (id)) partition by range (id);
create table parted_low partition of parted for values from (0) to (100);
create table parted_high partition of parted for values from (100) to (1000);
--- rows
insert into parted select coalesce(max(id), 0) + 1, 'low' from parted_low;
insert into parted select coalesce(max(id), 100) + 1, 'high' from parted_high;
--- stream
update parted set v = 'LOW' where id = 1;
update parted set id = id + 400 where id < 100;
delete from parted where id > 100;
