{#
    Targets write Xero's UpdatedDateUTC as it is, or as updateddateutc, UPDATEDDATEUTC,
    updated_date_utc or updated_date_u_t_c; InvoiceID becomes invoice_id or invoice_i_d. Without case
    and underscores all are one name, and no two names of a stream become one.
#}
{% macro plain_name(name) %}
    {{- return(name | lower | replace('_', '') | replace('.', '')) -}}
{% endmacro %}


{# Return the columns of a table, ready for SQL, by their plain names; nothing if there is no table. #}
{% macro columns_by_plain_name(relation) %}
    {%- set found = {} -%}
    {%- if relation is not none -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do found.update({tap_xero.plain_name(column.name): adapter.quote(column.name)}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(found) -}}
{% endmacro %}


{#
    Return the SQL for a field: a column of that name, a column that the target made of a field in an
    object (contact__contactid), or the field read from the object. None if the table has none.
#}
{% macro find_column(found, name, place) %}
    {%- for each in [name, place or name] -%}
        {%- if tap_xero.plain_name(each) in found -%}
            {{- return(found[tap_xero.plain_name(each)]) -}}
        {%- endif -%}
    {%- endfor -%}
    {%- set parts = (place or name).split('.') -%}
    {%- if parts | length > 1 and tap_xero.plain_name(parts[0]) in found -%}
        {{- return(tap_xero.field_of_object(found[tap_xero.plain_name(parts[0])], parts[1:])) -}}
    {%- endif -%}
    {{- return(none) -}}
{% endmacro %}


{# Read a field from a column that holds JSON, as text. #}
{% macro field_of_object(column, names) %}
    {{- return(adapter.dispatch('field_of_object', 'tap_xero')(column, names)) -}}
{% endmacro %}

{% macro default__field_of_object(column, names) %}
    {{- return("json_value(" ~ column ~ ", '$." ~ names | join('.') ~ "')") -}}
{% endmacro %}

{% macro duckdb__field_of_object(column, names) %}
    {{- return("json_extract_string(" ~ column ~ ", '$." ~ names | join('.') ~ "')") -}}
{% endmacro %}

{% macro postgres__field_of_object(column, names) %}
    {{- return("(cast(" ~ column ~ " as jsonb) #>> '{" ~ names | join(',') ~ "}')") -}}
{% endmacro %}

{% macro snowflake__field_of_object(column, names) %}
    {{- return(column ~ ':"' ~ names | join('"."') ~ '"') -}}
{% endmacro %}


{#
    Some targets load money as floating point. Each row is cast to exact digits, so that all sums
    are exact: four decimals for amounts and quantities, ten for currency rates.
#}
{% macro type_of(type) %}
    {{- return({
        'text': dbt.type_string(),
        'number': 'decimal(28, 4)',
        'rate': 'decimal(28, 10)',
        'integer': dbt.type_bigint(),
        'boolean': dbt.type_boolean(),
        'date': 'date',
        'timestamp': dbt.type_timestamp(),
    }[type]) -}}
{% endmacro %}
