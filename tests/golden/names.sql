-- Names that Kafka or Avro do not take as they are.
--- setup
create table "order-items"(id int primary key, v text);
create table "Ünder_score x"(id int primary key, v text);
create table plain(id int primary key, v text);
--- rows
delete from plain;
insert into plain values (1, 'a');
--- stream
insert into "order-items" values (1, 'a');
insert into "Ünder_score x" values (1, 'a');
update plain set v = 'b';
