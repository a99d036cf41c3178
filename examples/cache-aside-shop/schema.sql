create table if not exists products (
  id int primary key,
  name text not null,
  price numeric(10, 2) not null
);
