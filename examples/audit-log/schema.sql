-- Accounts, of which every change is to be explained.
create table if not exists accounts (
  id int primary key,
  owner text not null,
  credit_limit numeric(10, 2) not null
);
-- Whole old rows in the WAL: without this a change would say what is now, and not what was before.
alter table accounts replica identity full;

-- Who does it goes into the WAL with the change, in its transaction, whoever writes and however. The application says who asked it:
-- set local app.who = 'mia'; who says nothing is told by the database role.
create or replace function say_who() returns trigger language plpgsql as $$
begin
  perform pg_logical_emit_message(true, 'who', coalesce(nullif(current_setting('app.who', true), ''), 'role ' || session_user));
  return null;
end $$;
drop trigger if exists say_who on accounts;
create trigger say_who before insert or update or delete on accounts for each statement execute function say_who();
