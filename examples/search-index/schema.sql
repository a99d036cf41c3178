create table if not exists products (
  id int primary key,
  name text not null,
  description text not null,
  price numeric(10, 2) not null
);
-- Some are there before anybody looks: the snapshot brings them.
insert into products values
  (1, 'Red lamp', 'A lamp for the desk', 19.50),
  (2, 'Green chair', 'A chair that folds', 49.00),
  (3, 'Blue lamp', 'A lamp for the wall', 29.00)
on conflict do nothing;
