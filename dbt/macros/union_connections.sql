{#
    Give fivetran/dbt_xero the views of this package, with lineage, when the project says
    `dispatch: [{macro_namespace: fivetran_utils, search_order: [tap_xero, fivetran_utils]}]`.
    Other packages of Fivetran keep their own way.
#}
{% macro default__union_connections(connection_dictionary, single_source_name, single_table_name, default_identifier=single_table_name) %}
{%- if single_source_name == 'xero' -%}
select * from {{ ref('tap_xero', single_table_name) }}
{%- else -%}
{{ fivetran_utils.default__union_connections(connection_dictionary, single_source_name, single_table_name, default_identifier) }}
{%- endif -%}
{% endmacro %}
