#include "engine/pg_catalog.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "engine/delta_statistics.h"
#include "engine/settings.h"

namespace tarn::engine {
namespace {

constexpr uint32_t kCatalogOid = 11;
constexpr uint32_t kInformationOid = 13000;
constexpr uint32_t kOwnerOid = 10;
constexpr uint32_t kDatabaseOid = 5;

// The same name has the same oid in every session, without a table of them: 31 bits of FNV, above PostgreSQL's own.
uint32_t OidOf(std::string_view text) {
    uint64_t hash = 1469598103934665603ULL;
    for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211ULL;
    return 16384 + static_cast<uint32_t>((hash ^ (hash >> 32)) & 0x3FFFFFFF);
}

std::string SchemaOid(const std::string& schema) {
    if (schema == "pg_catalog") return std::to_string(kCatalogOid);
    if (schema == "information_schema") return std::to_string(kInformationOid);
    return std::to_string(OidOf(schema));
}
std::string TableOid(const std::string& schema, const std::string& name) {
    // Those that clients write as constants.
    static constexpr std::pair<std::string_view, const char*> kFixed[] = {
        {"pg_type", "1247"},     {"pg_attribute", "1249"}, {"pg_proc", "1255"},       {"pg_class", "1259"},
        {"pg_database", "1262"}, {"pg_namespace", "2615"}, {"pg_constraint", "2606"}, {"pg_authid", "1260"}};
    if (schema == "pg_catalog") {
        for (const auto& [fixed, oid] : kFixed) {
            if (fixed == name) return oid;
        }
    }
    return std::to_string(OidOf(schema + "." + name));
}

struct PgType {
    const char* oid;
    const char* name;
    const char* length;
    const char* category;
    const char* array_oid;
    const char* procedures;  // of its input and output: "int4" for int4in, int4out, int4recv, int4send
};
constexpr PgType kTypes[] = {
    {"16", "bool", "1", "B", "1000", "bool"},
    {"17", "bytea", "-1", "U", "1001", "bytea"},
    {"18", "char", "1", "Z", "1002", "char"},
    {"19", "name", "64", "S", "1003", "name"},
    {"20", "int8", "8", "N", "1016", "int8"},
    {"21", "int2", "2", "N", "1005", "int2"},
    {"23", "int4", "4", "N", "1007", "int4"},
    {"25", "text", "-1", "S", "1009", "text"},
    {"26", "oid", "4", "N", "1028", "oid"},
    {"114", "json", "-1", "U", "199", "json_"},
    {"700", "float4", "4", "N", "1021", "float4"},
    {"701", "float8", "8", "N", "1022", "float8"},
    {"705", "unknown", "-2", "X", "0", "unknown"},
    {"1042", "bpchar", "-1", "S", "1014", "bpchar"},
    {"1043", "varchar", "-1", "S", "1015", "varchar"},
    {"1082", "date", "4", "D", "1182", "date_"},
    {"1083", "time", "8", "D", "1183", "time_"},
    {"1114", "timestamp", "8", "D", "1115", "timestamp_"},
    {"1184", "timestamptz", "8", "D", "1185", "timestamptz_"},
    {"1186", "interval", "16", "T", "1187", "interval_"},
    {"1266", "timetz", "12", "D", "1270", "timetz_"},
    {"1700", "numeric", "-1", "N", "1231", "numeric_"},
    {"2205", "regclass", "4", "N", "2210", "regclass"},
    {"2206", "regtype", "4", "N", "2211", "regtype"},
    {"2278", "void", "4", "P", "0", "void_"},
    {"2950", "uuid", "16", "U", "2951", "uuid_"},
    {"3802", "jsonb", "-1", "U", "3807", "jsonb_"},
};

struct TypeRef {
    std::string oid;
    std::string typmod = "-1";
    std::string name;  // information_schema's spelling
};

// The PostgreSQL type that a column of ours is sent as.
TypeRef PgTypeOf(const std::string& type) {
    bool nested = type.starts_with("STRUCT") || type.starts_with("MAP") || type.ends_with("][]");
    if (nested) return {"114", "-1", "json"};
    if (type.ends_with("[]")) {
        TypeRef element = PgTypeOf(type.substr(0, type.size() - 2));
        for (const PgType& known : kTypes) {
            if (element.oid == known.oid && std::string_view(known.array_oid) != "0")
                return {known.array_oid, "-1", "ARRAY"};
        }
        return {"1009", "-1", "ARRAY"};
    }
    if (type.starts_with("DECIMAL(")) {
        int64_t width = WholeNumber(type.substr(8));
        size_t comma = type.find(',');
        int64_t scale = comma == std::string::npos ? 0 : WholeNumber(type.substr(comma + 1));
        return {"1700", std::to_string(((width << 16) | scale) + 4), "numeric"};
    }
    static constexpr struct {
        std::string_view type;
        const char* oid;
        const char* name;
    } kKnown[] = {
        {"BOOLEAN", "16", "boolean"},
        {"TINYINT", "21", "smallint"},
        {"SMALLINT", "21", "smallint"},
        {"UTINYINT", "21", "smallint"},
        {"INTEGER", "23", "integer"},
        {"USMALLINT", "23", "integer"},
        {"BIGINT", "20", "bigint"},
        {"UINTEGER", "20", "bigint"},
        {"UBIGINT", "1700", "numeric"},
        {"HUGEINT", "1700", "numeric"},
        {"FLOAT", "700", "real"},
        {"DOUBLE", "701", "double precision"},
        {"VARCHAR", "25", "text"},
        {"BLOB", "17", "bytea"},
        {"DATE", "1082", "date"},
        {"TIME", "1083", "time without time zone"},
        {"TIMESTAMP", "1114", "timestamp without time zone"},
        {"TIMESTAMPTZ", "1184", "timestamp with time zone"},
        {"TIMESTAMP WITH TIME ZONE", "1184", "timestamp with time zone"},
        {"INTERVAL", "1186", "interval"},
        {"UUID", "2950", "uuid"},
        {"JSON", "114", "json"},
    };
    for (const auto& known : kKnown) {
        if (known.type == type) return {known.oid, "-1", known.name};
    }
    return {"25", "-1", "text"};
}

using Row = std::vector<std::optional<std::string>>;
using Fill = std::function<Status(RelationSource&, const security::Principal&, std::vector<Row>&)>;

// "name type, ...": the types i (bigint), t (text), b (boolean), a (text array), l (bigint array).
struct SystemTable {
    std::string_view name;
    std::string_view columns;
    Fill fill;  // none: always empty
};

template <typename Callback>
Status EachSchema(RelationSource& source, const security::Principal& principal, Callback&& callback) {
    for (const std::string& schema : TRY(source.Schemas(principal))) TRY(callback(schema));
    return Ok();
}
template <typename Callback>
Status EachRelation(RelationSource& source, const security::Principal& principal, Callback&& callback) {
    return EachSchema(source, principal, [&](const std::string& schema) -> Status {
        for (const RelationSummary& one : TRY(source.Relations(principal, schema))) TRY(callback(one));
        return Ok();
    });
}
// Columns of all relations; one that cannot be resolved just now is left out rather than failing the client's listing.
template <typename Callback>
Status EachColumn(RelationSource& source, const security::Principal& principal, Callback&& callback) {
    return EachRelation(source, principal, [&](const RelationSummary& one) -> Status {
        auto relation = source.Find(principal, one.schema, one.name, {});
        if (!relation) return Ok();
        for (size_t i = 0; i < relation->columns.size(); i++) callback(one, relation->columns[i], i + 1);
        return Ok();
    });
}

const std::vector<SystemTable>& PgTables();
const std::vector<SystemTable>& InformationTables();

Row ClassRow(const std::string& schema, const std::string& name, const std::string& kind) {
    return {TableOid(schema, name),
            name,
            SchemaOid(schema),
            "0",
            "0",
            std::to_string(kOwnerOid),
            "0",
            "0",
            "0",
            "0",
            "-1",
            "0",
            "0",
            "f",
            "f",
            "p",
            kind,
            "0",
            "0",
            "f",
            "f",
            "f",
            "f",
            "f",
            "t",
            "n",
            "f",
            "0",
            "0",
            "0",
            std::nullopt,
            std::nullopt,
            std::nullopt};
}

Status FillNamespaces(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    rows.push_back({std::to_string(kCatalogOid), "pg_catalog", std::to_string(kOwnerOid), std::nullopt});
    rows.push_back({std::to_string(kInformationOid), "information_schema", std::to_string(kOwnerOid), std::nullopt});
    return EachSchema(source, principal, [&](const std::string& schema) -> Status {
        rows.push_back({SchemaOid(schema), schema, std::to_string(kOwnerOid), std::nullopt});
        return Ok();
    });
}

Status FillClasses(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    for (const SystemTable& table : PgTables()) rows.push_back(ClassRow("pg_catalog", std::string(table.name), "r"));
    for (const SystemTable& table : InformationTables()) {
        rows.push_back(ClassRow("information_schema", std::string(table.name), "v"));
    }
    return EachRelation(source, principal, [&](const RelationSummary& one) -> Status {
        rows.push_back(ClassRow(one.schema, one.name, "r"));
        return Ok();
    });
}

Status FillAttributes(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    return EachColumn(source, principal, [&](const RelationSummary& one, const Column& column, size_t number) {
        TypeRef type = PgTypeOf(column.type);
        rows.push_back({TableOid(one.schema, one.name),
                        column.name,
                        type.oid,
                        "-1",
                        "-1",
                        std::to_string(number),
                        "0",
                        "-1",
                        type.typmod,
                        "f",
                        "x",
                        "i",
                        column.nullable ? "f" : "t",
                        "f",
                        "f",
                        "",
                        "",
                        "f",
                        "t",
                        "0",
                        "0",
                        std::nullopt,
                        std::nullopt,
                        std::nullopt,
                        std::nullopt,
                        ""});
    });
}

Status FillTypes(RelationSource&, const security::Principal&, std::vector<Row>& rows) {
    auto add = [&](const std::string& oid, const std::string& name, const char* length, const char* category,
                   const std::string& element, const std::string& array, const std::string& procedures) {
        bool value = std::string_view(length) == "1" || std::string_view(length) == "2" ||
                     std::string_view(length) == "4" || std::string_view(length) == "8";
        rows.push_back({oid,
                        name,
                        std::to_string(kCatalogOid),
                        std::to_string(kOwnerOid),
                        length,
                        value ? "t" : "f",
                        category[0] == 'P' ? "p" : "b",
                        category,
                        "f",
                        "t",
                        ",",
                        "0",
                        element,
                        array,
                        "0",
                        "-1",
                        "0",
                        "0",
                        std::nullopt,
                        "f",
                        category[0] == 'A' ? "array_subscript_handler" : "-",
                        procedures + "in",
                        procedures + "out",
                        procedures + "recv",
                        procedures + "send",
                        "-",
                        "-",
                        "-",
                        "i",
                        "x",
                        std::nullopt,
                        std::nullopt});
    };
    for (const PgType& type : kTypes)
        add(type.oid, type.name, type.length, type.category, "0", type.array_oid, type.procedures);
    for (const PgType& type : kTypes) {
        if (std::string_view(type.array_oid) != "0")

            add(type.array_oid, std::string("_") + type.name, "-1", "A", type.oid, "0", "array_");
    }
    return Ok();
}

Status FillDescriptions(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    TRY(EachRelation(source, principal, [&](const RelationSummary& one) -> Status {
        if (!one.comment.empty()) rows.push_back({TableOid(one.schema, one.name), "1259", "0", one.comment});
        return Ok();
    }));
    return EachColumn(source, principal, [&](const RelationSummary& one, const Column& column, size_t number) {
        if (column.description.empty()) return;
        rows.push_back({TableOid(one.schema, one.name), "1259", std::to_string(number), column.description});
    });
}

Status FillSettings(RelationSource&, const security::Principal&, std::vector<Row>& rows) {
    for (const auto& [name, value] : DefaultSettings()) {
        bool fixed = name.starts_with("server_") || name.starts_with("max_") || name == "integer_datetimes";
        bool number = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
        bool truth = value == "on" || value == "off";
        rows.push_back({name, value, std::nullopt, fixed ? "Preset Options" : "Client", "", std::nullopt,
                        fixed ? "internal" : "user",
                        number  ? "integer"
                        : truth ? "bool"
                                : "string",
                        "default", std::nullopt, std::nullopt, std::nullopt, value, value, std::nullopt, std::nullopt,
                        "f"});
    }
    return Ok();
}

Fill Fixed(std::vector<Row> fixed) {
    return [fixed = std::move(fixed)](RelationSource&, const security::Principal&, std::vector<Row>& rows) -> Status {
        rows = fixed;
        return Ok();
    };
}

Status FillPgTables(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    return EachRelation(source, principal, [&](const RelationSummary& one) -> Status {
        rows.push_back({one.schema, one.name, "tarn", std::nullopt, "f", "f", "f", "f"});
        return Ok();
    });
}

Status FillInformationTables(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    return EachRelation(source, principal, [&](const RelationSummary& one) -> Status {
        rows.push_back({"tarn", one.schema, one.name, "BASE TABLE", std::nullopt, std::nullopt, "NO", "NO",
                        one.comment.empty() ? std::nullopt : std::optional(one.comment)});
        return Ok();
    });
}

Status FillInformationColumns(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    return EachColumn(source, principal, [&](const RelationSummary& one, const Column& column, size_t number) {
        TypeRef type = PgTypeOf(column.type);
        std::optional<std::string> precision;
        std::optional<std::string> scale;
        if (type.oid == "1700" && type.typmod != "-1") {
            int64_t packed = WholeNumber(type.typmod) - 4;
            precision = std::to_string(packed >> 16);
            scale = std::to_string(packed & 0xFFFF);
        }
        std::string udt = "text";
        for (const PgType& known : kTypes) {
            if (type.oid == known.oid) udt = known.name;
        }
        rows.push_back({"tarn", one.schema, one.name, column.name, std::to_string(number), std::nullopt,
                        column.nullable ? "YES" : "NO", type.name, std::nullopt, precision, scale, "tarn", "pg_catalog",
                        udt, "NO", "NEVER", "NO",
                        column.description.empty() ? std::nullopt : std::optional(column.description)});
    });
}

Status FillSchemata(RelationSource& source, const security::Principal& principal, std::vector<Row>& rows) {
    for (const char* schema : {"pg_catalog", "information_schema"})
        rows.push_back({"tarn", schema, "tarn", std::nullopt});
    return EachSchema(source, principal, [&](const std::string& schema) -> Status {
        rows.push_back({"tarn", schema, "tarn", std::nullopt});
        return Ok();
    });
}

// Tables of things that do not exist here.
constexpr std::pair<std::string_view, std::string_view> kEmptyTables[] = {
    {"pg_attrdef", "oid i,adrelid i,adnum i,adbin t"},
    {"pg_constraint",
     "oid i,conname t,connamespace i,contype t,condeferrable b,condeferred b,convalidated b,conrelid i,contypid i,"
     "conindid i,conparentid i,confrelid i,confupdtype t,confdeltype t,confmatchtype t,conislocal b,coninhcount i,"
     "connoinherit b,conkey l,confkey l,conpfeqop a,conppeqop a,conffeqop a,conexclop a,conbin t,tableoid i"},
    {"pg_index",
     "indexrelid i,indrelid i,indnatts i,indnkeyatts i,indisunique b,indisprimary b,indisexclusion b,indimmediate "
     "b,"
     "indisclustered b,indisvalid b,indcheckxmin b,indisready b,indislive b,indisreplident b,indkey l,indcollation "
     "l,"
     "indclass l,indoption l,indexprs t,indpred t,indnullsnotdistinct b"},
    {"pg_inherits", "inhrelid i,inhparent i,inhseqno i,inhdetachpending b"},
    {"pg_trigger",
     "oid i,tgrelid i,tgparentid i,tgname t,tgfoid i,tgtype i,tgenabled t,tgisinternal b,tgconstrrelid "
     "i,tgconstrindid i,tgconstraint i,tgdeferrable b,tginitdeferred b,tgnargs i,tgattr l,tgargs t,tgqual t,tgoldtable "
     "t,tgnewtable t,tableoid i"},
    {"pg_rewrite", "oid i,rulename t,ev_class i,ev_type t,ev_enabled t,is_instead b,ev_qual t,ev_action t,tableoid i"},
    {"pg_policy", "oid i,polname t,polrelid i,polcmd t,polpermissive b,polroles l,polqual t,polwithcheck t"},
    {"pg_proc",
     "oid i,proname t,pronamespace i,proowner i,prolang i,prokind t,prosecdef b,proisstrict b,proretset "
     "b,provolatile t,pronargs i,prorettype i,proargtypes l,proallargtypes l,proargmodes a,proargnames a,prosrc "
     "t,proacl a,"
     "proparallel t,proleakproof b,prosupport i,procost i,prorows i,provariadic i,proargdefaults t,protrftypes l,"
     "probin t,proconfig a,pronargdefaults i,tableoid i"},
    {"pg_enum", "oid i,enumtypid i,enumsortorder i,enumlabel t"},
    {"pg_range", "rngtypid i,rngsubtype i,rngmultitypid i,rngcollation i"},
    {"pg_extension",
     "oid i,extname t,extowner i,extnamespace i,extrelocatable b,extversion t,extconfig a,extcondition a"},
    {"pg_views", "schemaname t,viewname t,viewowner t,definition t"},
    {"pg_matviews", "schemaname t,matviewname t,matviewowner t,tablespace t,hasindexes b,ispopulated b,definition t"},
    {"pg_indexes", "schemaname t,tablename t,indexname t,tablespace t,indexdef t"},
    {"pg_sequences",
     "schemaname t,sequencename t,sequenceowner t,data_type t,start_value i,min_value i,max_value i,increment_by "
     "i,cycle b,cache_size i,last_value i"},
    {"pg_sequence", "seqrelid i,seqtypid i,seqstart i,seqincrement i,seqmax i,seqmin i,seqcache i,seqcycle b"},
    {"pg_depend", "classid i,objid i,objsubid i,refclassid i,refobjid i,refobjsubid i,deptype t"},
    {"pg_shdescription", "objoid i,classoid i,description t"},
    {"pg_statistic_ext",
     "oid i,stxrelid i,stxname t,stxnamespace i,stxowner i,stxstattarget i,stxkeys l,stxkind a,tableoid i"},
    {"pg_publication",
     "oid i,pubname t,pubowner i,puballtables b,pubinsert b,pubupdate b,pubdelete b,pubtruncate b,pubviaroot b"},
    {"pg_publication_rel", "oid i,prpubid i,prrelid i,prqual t,prattrs l"},
    {"pg_publication_namespace", "oid i,pnpubid i,pnnspid i"},
    {"pg_foreign_table", "ftrelid i,ftserver i,ftoptions a"},
    {"pg_foreign_server", "oid i,srvname t,srvowner i,srvfdw i,srvtype t,srvversion t,srvacl a,srvoptions a"},
    {"pg_foreign_data_wrapper", "oid i,fdwname t,fdwowner i,fdwhandler i,fdwvalidator i,fdwacl a,fdwoptions a"},
    {"pg_partitioned_table",
     "partrelid i,partstrat t,partnatts i,partdefid i,partattrs l,partclass a,partcollation a,partexprs t"},
    {"pg_auth_members", "roleid i,member i,grantor i,admin_option b"},
    {"pg_stat_activity",
     "datid i,datname t,pid i,usesysid i,usename t,application_name t,client_addr t,state t,query t,client_hostname "
     "t,client_port i,backend_start t,xact_start t,query_start t,state_change t,wait_event_type t,wait_event "
     "t,backend_xid i,backend_xmin i,leader_pid i,query_id i,backend_type t"},
    {"pg_stat_user_tables", "relid i,schemaname t,relname t,n_live_tup i,seq_scan i"},
    {"pg_event_trigger", "oid i,evtname t,evtevent t,evtowner i,evtfoid i,evtenabled t,evttags a"},
    {"pg_operator",
     "oid i,oprname t,oprnamespace i,oprowner i,oprkind t,oprcanmerge b,oprcanhash b,oprleft i,oprright i,oprresult "
     "i,oprcom i,oprnegate i,oprcode t,oprrest t,oprjoin t,tableoid i"},
    {"pg_opclass",
     "oid i,opcname t,opcnamespace i,opcmethod i,opcfamily i,opcintype i,opcdefault b,opckeytype i,opcowner i,tableoid "
     "i"},
    {"pg_cast", "oid i,castsource i,casttarget i,castfunc i,castcontext t,castmethod t"},
    {"pg_aggregate", "aggfnoid i,aggkind t,aggnumdirectargs i,aggtransfn t,aggfinalfn t,aggtranstype i"},
    {"pg_default_acl", "oid i,defaclrole i,defaclnamespace i,defaclobjtype t,defaclacl a"},
    {"pg_seclabel", "objoid i,classoid i,objsubid i,provider t,label t"},
    {"pg_locks", "locktype t,database i,relation i,pid i,mode t,granted b"},
    {"pg_prepared_xacts", "transaction i,gid t,prepared t,owner t,database t"},
    {"pg_user_mappings", "umid i,srvid i,srvname t,umuser i,usename t,umoptions a"},
    {"pg_user_mapping", "oid i,umuser i,umserver i,umoptions a"},
    {"pg_ts_config", "oid i,cfgname t,cfgnamespace i,cfgowner i,cfgparser i"},
    {"pg_ts_config_map", "mapcfg i,maptokentype i,mapseqno i,mapdict i"},
    {"pg_ts_dict", "oid i,dictname t,dictnamespace i,dictowner i,dicttemplate i,dictinitoption t"},
    {"pg_ts_parser", "oid i,prsname t,prsnamespace i,prsstart t,prstoken t,prsend t,prsheadline t,prslextype t"},
    {"pg_ts_template", "oid i,tmplname t,tmplnamespace i,tmplinit t,tmpllexize t"},
    {"pg_subscription",
     "oid i,subdbid i,subname t,subowner i,subenabled b,subbinary b,substream b,subtwophasestate t,subdisableonerr "
     "b,subconninfo t,subslotname t,subsynccommit t,subpublications a,subskiplsn t"},
    {"pg_conversion",
     "oid i,conname t,connamespace i,conowner i,conforencoding i,contoencoding i,conproc t,condefault b"},
    {"pg_db_role_setting", "setdatabase i,setrole i,setconfig a"},
    {"pg_opfamily", "oid i,opfmethod i,opfname t,opfnamespace i,opfowner i,tableoid i"},
    {"pg_amop",
     "oid i,amopfamily i,amoplefttype i,amoprighttype i,amopstrategy i,amoppurpose t,amopopr i,amopmethod "
     "i,amopsortfamily i"},
    {"pg_amproc", "oid i,amprocfamily i,amproclefttype i,amprocrighttype i,amprocnum i,amproc t"},
    {"pg_largeobject_metadata", "oid i,lomowner i,lomacl a"},
    {"pg_stat_all_tables", "relid i,schemaname t,relname t,n_live_tup i,seq_scan i"},
    {"pg_statio_user_tables", "relid i,schemaname t,relname t"},
    {"pg_stat_database", "datid i,datname t,numbackends i"},
    {"pg_statistic", "starelid i,staattnum i"},
    {"pg_stats", "schemaname t,tablename t,attname t"},
    {"pg_group", "groname t,grosysid i,grolist l"},
    {"pg_cursors", "name t,statement t,is_holdable b,is_binary b,is_scrollable b,creation_time t"},
    {"pg_prepared_statements", "name t,statement t,prepare_time t,parameter_types a,from_sql b"},
    {"pg_replication_slots", "slot_name t,plugin t,slot_type t,active b"},
    {"pg_stat_replication", "pid i,usename t,application_name t,state t"},
    {"pg_available_extensions", "name t,default_version t,installed_version t,comment t"},
};

std::vector<SystemTable> FilledTables() {
    return {
        {"pg_namespace", "oid i,nspname t,nspowner i,nspacl a", FillNamespaces},
        {"pg_class",
         "oid i,relname t,relnamespace i,reltype i,reloftype i,relowner i,relam i,relfilenode i,reltablespace "
         "i,relpages i,"
         "reltuples i,relallvisible i,reltoastrelid i,relhasindex b,relisshared b,relpersistence t,relkind t,relnatts "
         "i,"
         "relchecks i,relhasrules b,relhastriggers b,relhassubclass b,relrowsecurity b,relforcerowsecurity b,"
         "relispopulated b,relreplident t,relispartition b,relrewrite i,relfrozenxid i,relminmxid i,relacl "
         "a,reloptions a,"
         "relpartbound t",
         FillClasses},
        {"pg_attribute",
         "attrelid i,attname t,atttypid i,attstattarget i,attlen i,attnum i,attndims i,attcacheoff i,atttypmod "
         "i,attbyval b,"
         "attstorage t,attalign t,attnotnull b,atthasdef b,atthasmissing b,attidentity t,attgenerated t,attisdropped b,"
         "attislocal b,attinhcount i,attcollation i,attacl a,attoptions a,attfdwoptions a,attmissingval "
         "t,attcompression t",
         FillAttributes},
        {"pg_type",
         "oid i,typname t,typnamespace i,typowner i,typlen i,typbyval b,typtype t,typcategory t,typispreferred b,"
         "typisdefined b,typdelim t,typrelid i,typelem i,typarray i,typbasetype i,typtypmod i,typndims i,typcollation "
         "i,"
         "typdefault t,typnotnull b,typsubscript t,typinput t,typoutput t,typreceive t,typsend t,typmodin t,typmodout "
         "t,"
         "typanalyze t,typalign t,typstorage t,typdefaultbin t,typacl a",
         FillTypes},
        {"pg_database",
         "oid i,datname t,datdba i,encoding i,datlocprovider t,datistemplate b,datallowconn b,datconnlimit i,"
         "datcollate t,datctype t,daticulocale t,dattablespace i,datacl a,datfrozenxid i,datminmxid i,datcollversion t",
         Fixed({{std::to_string(kDatabaseOid), "tarn", std::to_string(kOwnerOid), "6", "c", "f", "t", "-1", "C", "C",
                 std::nullopt, "1663", std::nullopt, "0", "0", std::nullopt}})},
        {"pg_roles",
         "oid i,rolname t,rolsuper b,rolinherit b,rolcreaterole b,rolcreatedb b,rolcanlogin b,rolreplication b,"
         "rolconnlimit i,rolpassword t,rolvaliduntil t,rolbypassrls b,rolconfig a",
         Fixed({{std::to_string(kOwnerOid), "tarn", "f", "t", "f", "f", "t", "f", "-1", std::nullopt, std::nullopt, "f",
                 std::nullopt}})},
        {"pg_user",
         "usename t,usesysid i,usecreatedb b,usesuper b,userepl b,usebypassrls b,passwd t,valuntil t,useconfig a",
         Fixed({{"tarn", std::to_string(kOwnerOid), "f", "f", "f", "f", std::nullopt, std::nullopt, std::nullopt}})},
        {"pg_description", "objoid i,classoid i,objsubid i,description t", FillDescriptions},
        {"pg_am", "oid i,amname t,amhandler t,amtype t", Fixed({{"2", "heap", "heap_tableam_handler", "t"}})},
        {"pg_tablespace", "oid i,spcname t,spcowner i,spcacl a,spcoptions a",
         Fixed({{"1663", "pg_default", std::to_string(kOwnerOid), std::nullopt, std::nullopt}})},
        {"pg_language",
         "oid i,lanname t,lanowner i,lanispl b,lanpltrusted b,lanplcallfoid i,laninline i,lanvalidator i,lanacl a,"
         "tableoid i",
         Fixed({{"14", "sql", std::to_string(kOwnerOid), "f", "t", "0", "0", "0", std::nullopt, "2612"}})},
        {"pg_collation",
         "oid i,collname t,collnamespace i,collowner i,collprovider t,collisdeterministic b,collencoding i,collcollate "
         "t,"
         "collctype t,colliculocale t,collversion t",
         Fixed({{"100", "default", std::to_string(kCatalogOid), std::to_string(kOwnerOid), "d", "t", "-1", "", "", "",
                 ""}})},
        {"pg_tables",
         "schemaname t,tablename t,tableowner t,tablespace t,hasindexes b,hasrules b,hastriggers b,rowsecurity b",
         FillPgTables},
        {"pg_settings",
         "name t,setting t,unit t,category t,short_desc t,extra_desc t,context t,vartype t,source t,min_val t,max_val "
         "t,enumvals a,boot_val t,reset_val t,sourcefile t,sourceline i,pending_restart b",
         FillSettings},
    };
}

const std::vector<SystemTable>& PgTables() {
    // A constant table; leaked on purpose, so that no destructor runs at exit.
    static const auto* tables = [] {
        auto* all = new std::vector<SystemTable>(FilledTables());
        for (const auto& [name, columns] : kEmptyTables) all->push_back({name, columns, {}});
        return all;
    }();
    return *tables;
}

const std::vector<SystemTable>& InformationTables() {
    static const auto* tables = new std::vector<SystemTable>{
        {"schemata", "catalog_name t,schema_name t,schema_owner t,sql_path t", FillSchemata},
        {"tables",
         "table_catalog t,table_schema t,table_name t,table_type t,self_referencing_column_name t,reference_generation "
         "t,"
         "is_insertable_into t,is_typed t,table_comment t",
         FillInformationTables},
        {"columns",
         "table_catalog t,table_schema t,table_name t,column_name t,ordinal_position i,column_default t,is_nullable t,"
         "data_type t,character_maximum_length i,numeric_precision i,numeric_scale i,udt_catalog t,udt_schema "
         "t,udt_name t,"
         "is_identity t,is_generated t,is_updatable t,column_comment t",
         FillInformationColumns},
        {"views", "table_catalog t,table_schema t,table_name t,view_definition t,is_updatable t", {}},
        {"table_constraints",
         "constraint_catalog t,constraint_schema t,constraint_name t,table_catalog t,table_schema t,table_name "
         "t,constraint_type t",
         {}},
        {"key_column_usage",
         "constraint_catalog t,constraint_schema t,constraint_name t,table_catalog t,table_schema t,table_name "
         "t,column_name t,ordinal_position i,position_in_unique_constraint i",
         {}},
        {"referential_constraints",
         "constraint_catalog t,constraint_schema t,constraint_name t,unique_constraint_catalog "
         "t,unique_constraint_schema t,unique_constraint_name t,match_option t,update_rule t,delete_rule t",
         {}},
        {"constraint_column_usage",
         "table_catalog t,table_schema t,table_name t,column_name t,constraint_catalog t,constraint_schema "
         "t,constraint_name t",
         {}},
        {"routines",
         "specific_catalog t,specific_schema t,specific_name t,routine_catalog t,routine_schema t,routine_name "
         "t,routine_type t,data_type t",
         {}},
        {"sequences", "sequence_catalog t,sequence_schema t,sequence_name t,data_type t", {}},
        {"triggers",
         "trigger_catalog t,trigger_schema t,trigger_name t,event_manipulation t,event_object_schema "
         "t,event_object_table t",
         {}},
        {"character_sets", "character_set_name t", Fixed({{"UTF8"}})},
    };
    return *tables;
}

std::vector<Column> ColumnsOf(std::string_view spec) {
    std::vector<Column> columns;
    for (const std::string& one : Split(spec, ',')) {
        char kind = one.back();
        const char* type = kind == 'i'   ? "BIGINT"
                           : kind == 'b' ? "BOOLEAN"
                           : kind == 'a' ? "VARCHAR[]"
                           : kind == 'l' ? "BIGINT[]"
                                         : "VARCHAR";
        columns.push_back({.name = one.substr(0, one.size() - 2), .type = type, .nullable = true, .description = {}});
    }
    return columns;
}

const SystemTable* FindTable(const std::string& schema, const std::string& name) {
    const auto& tables = EqualsIgnoreCase(schema, "pg_catalog") ? PgTables() : InformationTables();
    for (const SystemTable& table : tables) {
        if (EqualsIgnoreCase(table.name, name)) return &table;
    }
    return nullptr;
}

}  // namespace

std::optional<Relation> SystemRelation(RelationSource& source, const security::Principal& principal,
                                       const std::string& schema, const std::string& name) {
    const SystemTable* table = FindTable(schema, name);
    if (table == nullptr) return std::nullopt;
    Relation relation{.schema = ToLower(schema),
                      .name = std::string(table->name),
                      .version = {},
                      .columns = ColumnsOf(table->columns)};
    relation.source = GeneratedRows{[&source, principal, table]() -> Result<RowSet> {
        RowSet rows;
        if (table->fill) TRY(table->fill(source, principal, rows.rows));
        return rows;
    }};
    return relation;
}

bool IsSystemTable(const std::string& name) { return FindTable("pg_catalog", name) != nullptr; }
bool IsSystemSchema(const std::string& schema) {
    return EqualsIgnoreCase(schema, "pg_catalog") || EqualsIgnoreCase(schema, "information_schema");
}

}  // namespace tarn::engine
