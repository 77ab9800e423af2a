{# Log which account and month of the books differ from Xero's reports, when the test has failed. #}
{% macro name_the_cells_that_differ(results) %}
    {%- for result in results if result.node.unique_id == 'test.tap_xero.books_agree' and result.failures -%}
        {%- set proof = graph.nodes['model.tap_xero.books_proof'].relation_name -%}
        {%- set query -%}
            select date_month, basis, account_code, account_name, ledger_amount,
                trial_balance_amount, statement_amount
            from {{ proof }} where status = 'differs' order by 1, 2, 3 limit 20
        {%- endset -%}
        {%- for cell in run_query(query).rows -%}
            {%- do log(cell[0] ~ ' ' ~ cell[1] ~ ' ' ~ (cell[2] or '') ~ ' ' ~ cell[3] ~ ': journals '
                ~ cell[4] ~ ', trial balance ' ~ cell[5] ~ ', statement ' ~ cell[6], info=true) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}
