//! Live traffic on the shop: small transactions as a web shop makes them, at a given rate.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_postgres::{Client, Error};

use super::shop;

/// Waits this long when the server is away.
const RETRY: Duration = Duration::from_millis(500);

/// Writes about `rate` changes a second until it is aborted.
pub async fn drive(url: String, rate: u32, rows: u32) {
    let mut number = 0;
    loop {
        if let Ok(client) = shop::connect(&url).await {
            // It ends when the server goes away; the demo goes on when it comes back.
            let _ = write(&client, rate, rows.max(1), &mut number).await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn write(client: &Client, rate: u32, rows: u32, number: &mut u64) -> Result<(), Error> {
    let mut beat = tokio::time::interval(Duration::from_secs(1) / rate.clamp(1, 10_000));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        *number += 1;
        let step = step(*number, u64::from(rows));
        for _ in 0..step.changes {
            beat.tick().await;
        }
        client.batch_execute(&step.sql).await?;
    }
}

struct Step {
    sql: String,
    /// How many rows it changes, about: what the rate is counted in.
    changes: u32,
}

/// The `number`th transaction: the same one in every demo.
fn step(number: u64, rows: u64) -> Step {
    // A multiplicative hash spreads the numbers over the tables' rows.
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let (row, other) = (1 + spread % rows, 1 + (spread / 7) % rows);
    let quantity = 1 + spread % 3;
    match number % 10 {
        0 | 5 => Step { sql: place_order(row, other, quantity), changes: 4 },
        1 | 6 => Step { sql: advance("pending", "paid"), changes: 1 },
        2 | 7 => Step { sql: advance("paid", "shipped"), changes: 1 },
        3 => Step { sql: format!("update products set price = round(price * 1.05, 2), stock = stock + 10 where id = {row}"), changes: 1 },
        8 if number % 30 == 8 => {
            Step { sql: "delete from orders where id = (select max(id) from orders where status = 'pending')".into(), changes: 2 }
        }
        _ => Step { sql: format!("update customers set last_seen = now() where id = {row}"), changes: 1 },
    }
}

fn place_order(customer: u64, product: u64, quantity: u64) -> String {
    format!(
        "begin;
         with placed as (insert into orders(customer_id, total) select {customer}, {quantity} * price from products where id = {product} returning id)
         insert into order_items select placed.id, 1, {product}, {quantity}, price from placed, products where products.id = {product};
         update products set stock = stock - {quantity} where id = {product};
         commit"
    )
}

fn advance(from: &str, to: &str) -> String {
    format!("update orders set status = '{to}' where id = (select max(id) from orders where status = '{from}')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_inside_the_tables() {
        for number in 0..1000 {
            let step = step(number, 3);
            assert!(step.changes > 0);
            assert!(!step.sql.contains("id = 0") && !step.sql.contains("id = 4"), "{}", step.sql);
        }
    }
}
