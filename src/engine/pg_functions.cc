// What functions of PostgreSQL's mean here, as SQL over the system tables of pg_catalog.cc.
#include <algorithm>
#include <iterator>

#include "engine/pg_catalog.h"

namespace tarn::engine {
namespace {

// Arguments are written into these texts, also below their FROM: every column there gets a name of ours first, so that
// an argument like "oid" is never taken for one of them.
constexpr std::string_view kNameOfTable =
    "(SELECT CASE WHEN tarn_schema IN ('main', 'pg_catalog') THEN tarn_name ELSE tarn_schema || '.' || tarn_name END "
    "FROM (SELECT c.oid AS tarn_oid, c.relname AS tarn_name, n.nspname AS tarn_schema FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) WHERE tarn_oid = TRY_CAST($1 AS BIGINT))";
constexpr std::string_view kOidOfTable =
    "(SELECT min(tarn_oid) FROM (SELECT c.oid AS tarn_oid, c.relname AS tarn_name, n.nspname || '.' || c.relname AS "
    "tarn_full FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) "
    "WHERE lower(replace($1, '\"', '')) IN (lower(tarn_name), lower(tarn_full)) OR tarn_oid = TRY_CAST($1 AS BIGINT))";
constexpr std::string_view kFormatType =
    "(CASE CAST($1 AS BIGINT) WHEN 16 THEN 'boolean' WHEN 17 THEN 'bytea' WHEN 18 THEN '\"char\"' WHEN 19 THEN 'name' "
    "WHEN 20 THEN 'bigint' WHEN 21 THEN 'smallint' WHEN 23 THEN 'integer' WHEN 25 THEN 'text' WHEN 26 THEN 'oid' "
    "WHEN 114 THEN 'json' WHEN 700 THEN 'real' WHEN 701 THEN 'double precision' WHEN 1042 THEN 'character' "
    "WHEN 1043 THEN 'character varying' WHEN 1082 THEN 'date' WHEN 1083 THEN 'time without time zone' "
    "WHEN 1114 THEN 'timestamp without time zone' WHEN 1184 THEN 'timestamp with time zone' WHEN 1186 THEN 'interval' "
    "WHEN 1700 THEN (CASE WHEN CAST($2 AS BIGINT) > 4 THEN 'numeric(' || ((CAST($2 AS BIGINT) - 4) >> 16) || ',' || "
    "((CAST($2 AS BIGINT) - 4) & 65535) || ')' ELSE 'numeric' END) WHEN 2950 THEN 'uuid' WHEN 3802 THEN 'jsonb' "
    "WHEN 1000 THEN 'boolean[]' WHEN 1005 THEN 'smallint[]' WHEN 1007 THEN 'integer[]' WHEN 1016 THEN 'bigint[]' "
    "WHEN 1021 THEN 'real[]' WHEN 1022 THEN 'double precision[]' WHEN 1115 THEN 'timestamp without time zone[]' "
    "WHEN 1183 THEN 'time without time zone[]' WHEN 1185 THEN 'timestamp with time zone[]' "
    "ELSE (SELECT CASE WHEN tarn_name LIKE '\\_%' ESCAPE '\\' THEN substr(tarn_name, 2) || '[]' ELSE tarn_name END "
    "FROM (SELECT t.oid AS tarn_oid, t.typname AS tarn_name FROM pg_catalog.pg_type t) "
    "WHERE tarn_oid = CAST($1 AS BIGINT)) END)";
constexpr std::string_view kOidOfType =
    "(SELECT min(tarn_oid) FROM (SELECT t.oid AS tarn_oid, t.typname AS tarn_name FROM pg_catalog.pg_type t) "
    "WHERE tarn_oid = TRY_CAST($1 AS BIGINT) OR tarn_name = (CASE lower($1) WHEN 'integer' THEN 'int4' WHEN 'int' THEN "
    "'int4' WHEN 'bigint' THEN 'int8' WHEN 'smallint' THEN 'int2' WHEN 'boolean' THEN 'bool' WHEN 'real' THEN 'float4' "
    "WHEN 'double precision' THEN 'float8' WHEN 'character varying' THEN 'varchar' WHEN 'timestamp without time zone' "
    "THEN 'timestamp' WHEN 'timestamp with time zone' THEN 'timestamptz' WHEN 'time without time zone' THEN 'time' "
    "ELSE lower(replace($1, '\"', '')) END))";
constexpr std::string_view kDescription =
    "(SELECT min(tarn_text) FROM (SELECT d.objoid AS tarn_oid, d.objsubid AS tarn_part, d.description AS tarn_text "
    "FROM "
    "pg_catalog.pg_description d) WHERE tarn_oid = CAST($1 AS BIGINT) AND tarn_part = CAST($2 AS BIGINT))";
constexpr std::string_view kTableDescription =
    "(SELECT min(tarn_text) FROM (SELECT d.objoid AS tarn_oid, d.objsubid AS tarn_part, d.description AS tarn_text "
    "FROM "
    "pg_catalog.pg_description d) WHERE tarn_oid = CAST($1 AS BIGINT) AND tarn_part = 0)";
constexpr std::string_view kNameOfSchema =
    "(SELECT min(tarn_name) FROM (SELECT n.oid AS tarn_oid, n.nspname AS tarn_name FROM pg_catalog.pg_namespace n) "
    "WHERE tarn_oid = TRY_CAST($1 AS BIGINT))";
constexpr std::string_view kOidOfSchema =
    "(SELECT min(tarn_oid) FROM (SELECT n.oid AS tarn_oid, n.nspname AS tarn_name FROM pg_catalog.pg_namespace n) "
    "WHERE tarn_name = lower($1))";

// PostgreSQL's name and DuckDB's, where only the name differs.
constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"json_build_array", "json_array"},       {"json_build_object", "json_object"},
    {"jsonb_build_array", "json_array"},      {"jsonb_build_object", "json_object"},
    {"json_agg", "json_group_array"},         {"jsonb_agg", "json_group_array"},
    {"json_object_agg", "json_group_object"}, {"jsonb_object_agg", "json_group_object"},
};

// Table functions of PostgreSQL's that have no rows here: name and columns.
constexpr std::pair<std::string_view, std::string_view> kEmptySets[] = {
    {"aclexplode",
     "SELECT 0::BIGINT AS grantor, 0::BIGINT AS grantee, '' AS privilege_type, false AS is_grantable WHERE false"},
    {"pg_get_keywords",
     "SELECT '' AS word, '' AS catcode, false AS barelabel, '' AS catdesc, '' AS baredesc WHERE false"},
    {"pg_options_to_table", "SELECT '' AS option_name, '' AS option_value WHERE false"},
    {"pg_show_all_settings", "SELECT * FROM pg_catalog.pg_settings"},
    {"pg_get_publication_tables", "SELECT 0::BIGINT AS relid WHERE false"},
    {"pg_available_extensions", "SELECT * FROM pg_catalog.pg_available_extensions"},
};

// What a call of a function becomes; the ones with a blank in their name are types.
constexpr std::pair<std::string_view, std::string_view> kFunctions[] = {
    {"array_lower", "1"},
    {"array_upper", "len($1)"},
    {"col_description", kDescription},
    {"current_catalog", "'tarn'"},
    {"current_database", "'tarn'"},
    {"current_schemas", "[current_schema(), 'pg_catalog']"},
    {"format_type", kFormatType},
    {"has_any_column_privilege", "true"},
    {"has_column_privilege", "true"},
    {"has_database_privilege", "true"},
    {"has_schema_privilege", "true"},
    {"has_table_privilege", "true"},
    {"inet_client_addr", "NULL"},
    {"inet_server_addr", "NULL"},
    {"inet_server_port", "NULL"},
    {"obj_description", kTableDescription},
    {"pg_backend_pid", "1"},
    {"pg_client_encoding", "'UTF8'"},
    {"pg_encoding_to_char", "'UTF8'"},
    {"pg_function_is_visible", "true"},
    {"pg_get_constraintdef", "NULL"},
    {"pg_get_expr", "CAST(NULL AS VARCHAR)"},
    {"pg_get_function_arguments", "''"},
    {"pg_get_function_result", "''"},
    {"pg_get_indexdef", "NULL"},
    {"pg_get_partkeydef", "CAST(NULL AS VARCHAR)"},
    {"pg_get_ruledef", "NULL"},
    {"pg_get_serial_sequence", "NULL"},
    {"pg_get_statisticsobjdef_columns", "NULL"},
    {"pg_get_triggerdef", "NULL"},
    {"pg_get_userbyid", "'tarn'"},
    {"pg_get_viewdef", "NULL"},
    {"pg_has_role", "true"},
    {"pg_is_in_recovery", "false"},
    {"pg_is_other_temp_schema", "false"},
    {"pg_my_temp_schema", "0"},
    {"pg_opclass_is_visible", "true"},
    {"pg_postmaster_start_time", "TIMESTAMPTZ '2020-01-01 00:00:00+00'"},
    {"pg_relation_is_publishable", "false"},
    {"pg_relation_size", "0"},
    {"pg_size_pretty", "CAST($1 AS VARCHAR)"},
    {"pg_table_is_visible", "true"},
    {"pg_table_size", "0"},
    {"pg_tablespace_location", "''"},
    {"pg_total_relation_size", "0"},
    {"pg_type_is_visible", "true"},
    {"regclass of name", kOidOfTable},
    {"regclass of oid", kNameOfTable},
    {"regnamespace of oid", kNameOfSchema},
    {"regnamespace of name", kOidOfSchema},
    {"regtype of name", kOidOfType},
    {"shobj_description", "CAST(NULL AS VARCHAR)"},
    {"to_regclass", kOidOfTable},
    {"to_regtype", kOidOfType},
    {"txid_current", "1"},
    {"version", "'PostgreSQL 15.0 (Tarn, DuckDB 1.5.5)'"},
    {"_pg_expandarray", "{'x': CAST(NULL AS INTEGER), 'n': CAST(NULL AS INTEGER)}"},
    {"pg_database_size", "0"},
    {"pg_tablespace_size", "0"},
    {"pg_statistics_obj_is_visible", "true"},
    {"pg_char_to_encoding", "6"},
    {"pg_advisory_unlock_all", "NULL"},
    {"pg_collation_is_visible", "true"},
    {"pg_conversion_is_visible", "true"},
    {"pg_operator_is_visible", "true"},
    {"pg_opfamily_is_visible", "true"},
    {"pg_ts_config_is_visible", "true"},
    {"pg_ts_dict_is_visible", "true"},
    {"pg_ts_parser_is_visible", "true"},
    {"pg_ts_template_is_visible", "true"},
    {"array_remove", "list_filter($1, tarn_item -> tarn_item IS DISTINCT FROM $2)"},
    {"array_ndims", "CASE WHEN len($1) > 0 THEN 1 END"},
    {"pg_get_function_identity_arguments", "''"},
    {"pg_get_functiondef", "NULL"},
    {"pg_get_statisticsobjdef", "NULL"},
    {"pg_get_function_arg_default", "NULL"},
    {"pg_relation_filenode", "NULL"},
    {"pg_indexes_size", "0"},
    {"pg_stat_get_numscans", "0"},
    {"pg_index_column_has_property", "false"},
    {"has_sequence_privilege", "false"},
    {"has_function_privilege", "true"},
    {"has_foreign_data_wrapper_privilege", "false"},
    {"has_server_privilege", "false"},
    {"has_language_privilege", "true"},
    {"has_tablespace_privilege", "true"},
    {"pg_is_wal_replay_paused", "false"},
    {"pg_blocking_pids", "[]"},
    {"quote_ident",
     "CASE WHEN regexp_full_match($1, '[a-z_][a-z0-9_]*') THEN $1 ELSE '\"' || replace($1, '\"', '\"\"') || '\"' END"},
    {"quote_literal", "'''' || replace(CAST($1 AS VARCHAR), '''', '''''') || ''''"},
};

}  // namespace

std::string_view OtherNameOf(std::string_view name) {
    for (const auto& [theirs, ours] : kOtherNames) {
        if (theirs == name) return ours;
    }
    return {};
}

std::string_view SystemTableFunction(std::string_view name) {
    for (const auto& [theirs, query] : kEmptySets) {
        if (theirs == name) return query;
    }
    return {};
}

std::string_view SystemFunction(const std::string& name) {
    auto found =
        std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const auto& one) { return one.first == name; });
    return found == std::end(kFunctions) ? std::string_view() : found->second;
}

}  // namespace tarn::engine
