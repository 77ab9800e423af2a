{#
    Select from a table of the tap, with columns named as Fivetran names them.

    `columns` maps each new name to its type: text, number, rate, integer, boolean, date or
    timestamp. Where Xero's name is another one, or lies in an object, it is a list of type and
    place, such as ['text', 'Contact.ContactID']; the place none means that Xero's
    description has no such field.

    Rows that the target has marked as deleted are left out. `lines_of` is for line tables: the
    document's table and key. A line that was removed from its document stays in the table with an
    older stamp, so only the lines with the stamp of their document are selected.
#}
{% macro select_table(table, columns, lines_of=none) %}
{%- set relation = load_relation(source('tap_xero', table)) if execute else none -%}
{%- set found = tap_xero.columns_by_plain_name(relation) -%}
select
{%- for name, kind in columns.items() %}
    {%- set type = kind if kind is string else kind[0] %}
    {%- set place = name if kind is string else kind[1] %}
    {%- set column = tap_xero.find_column(found, name, place) %}
    {%- if column is none and place is not none and found %}
        {%- do exceptions.warn('tap_xero: table ' ~ table ~ ' has no column for ' ~ place ~ ', so '
            ~ name ~ ' is null. Is the field selected in the catalog?') %}
    {%- endif %}
    cast({{ column or 'null' }} as {{ tap_xero.type_of(type) }}) as {{ name }},
{%- endfor %}
    cast({{ found.get('sdcextractedat', 'null') }} as {{ dbt.type_timestamp() }}) as _fivetran_synced
{% if relation is none -%}
from (select 1 as no_such_table) as {{ table }}
where 1 = 0
{%- else -%}
from {{ relation }} as {{ table }}
where 1 = 1
    {%- if 'sdcdeletedat' in found %}
    and {{ found['sdcdeletedat'] }} is null
    {%- endif %}
    {%- if lines_of is not none %}
    and {{ tap_xero.has_the_stamp_of_its_document(table, found, lines_of[0], lines_of[1]) }}
    {%- endif %}
{%- endif %}
{%- endmacro %}


{% macro has_the_stamp_of_its_document(table, found, documents, key) %}
{%- set relation = source('tap_xero', documents) -%}
{%- set theirs = tap_xero.columns_by_plain_name(load_relation(relation)) -%}
exists (
        select 1
        from {{ relation }} as document
        where document.{{ theirs[tap_xero.plain_name(key)] }} = {{ table }}.{{ found[tap_xero.plain_name(key)] }}
            and document.{{ theirs['updateddateutc'] }} = {{ table }}.{{ found['updateddateutc'] }}
    )
{%- endmacro %}
