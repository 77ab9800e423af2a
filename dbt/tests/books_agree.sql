-- The journals agree with Xero's trial balance, profit and loss and balance sheet, to the cent.
{{ config(enabled=var('tap_xero_journals', true)) }}
select * from {{ ref('tap_xero', 'books_proof') }} where status = 'differs'
