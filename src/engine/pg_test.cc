// What PostgreSQL's clients ask of the system tables, word for word.
#include "engine/engine_for_test.h"

namespace tarn::engine {
namespace {

class PgTest : public EngineFixture {
  protected:
    void SetUp() override {
        EngineFixture::SetUp();
        MakeTable("delays", "flights",
                  "SELECT 1 AS id, 'a' AS carrier, 1.5::DECIMAL(9,2) AS delay, now() AS at_time, [1] AS l");
        relations.relations.at("delays.flights").comment = "late ones";
        MakeTable("main", "t", "SELECT 1 AS a");
    }
    std::string Oid(const std::string& name) {
        std::string oid = Ask("SELECT '" + name + "'::regclass::oid");
        return oid.substr(0, oid.size() - 1);
    }
};

TEST_F(PgTest, PsqlListsTables) {
    const char* body =
        "SELECT n.nspname as \"Schema\",\n  c.relname as \"Name\",\n  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' "
        "THEN 'view' "
        "WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' "
        "WHEN 'f' "
        "THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as \"Type\",\n  "
        "pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\"\nFROM pg_catalog.pg_class c\n     LEFT JOIN "
        "pg_catalog.pg_namespace n "
        "ON n.oid = c.relnamespace\n     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam\nWHERE c.relkind IN "
        "('r','p','v','m','S','f','')\n"
        "      AND n.nspname <> 'pg_catalog'\n      AND n.nspname !~ '^pg_toast'\n      AND n.nspname <> "
        "'information_schema'\n"
        "  AND pg_catalog.pg_table_is_visible(c.oid)\nORDER BY 1,2;";
    EXPECT_EQ(Ask(body), "delays|flights|table|tarn\nmain|t|table|tarn\n");
    EXPECT_EQ(Ask("SELECT n.nspname AS \"Name\",\n  pg_catalog.pg_get_userbyid(n.nspowner) AS \"Owner\"\nFROM "
                  "pg_catalog.pg_namespace n\n"
                  "WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'\nORDER BY 1;"),
              "delays|tarn\nmain|tarn\n");
    EXPECT_EQ(Ask("SELECT d.datname as \"Name\",\n       pg_catalog.pg_get_userbyid(d.datdba) as \"Owner\",\n       "
                  "pg_catalog.pg_encoding_to_char(d.encoding) as \"Encoding\",\n       d.datcollate as \"Collate\",\n  "
                  "     d.datctype as \"Ctype\",\n"
                  "       d.daticulocale as \"ICU Locale\",\n       CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN "
                  "'i' THEN 'icu' END AS \"Locale Provider\",\n"
                  "       pg_catalog.array_to_string(d.datacl, E'\\n') AS \"Access privileges\"\nFROM "
                  "pg_catalog.pg_database d\nORDER BY 1;"),
              "tarn|tarn|UTF8|C|C|NULL|libc|NULL\n");
}

TEST_F(PgTest, ArgumentsKeepTheirMeaning) {
    // The argument's name is also one of a column that the function's own text reads.
    EXPECT_EQ(Ask("SELECT typname, oid::regtype::text FROM pg_type t WHERE t.oid = to_regtype('int8')"),
              "int8|bigint\n");
    EXPECT_EQ(Ask("SELECT obj_description(oid), oid::regclass FROM pg_class WHERE relname = 'flights'"),
              "late ones|delays.flights\n");
    EXPECT_EQ(Ask("SELECT '_int4'::text::regtype::oid"), "1007\n");
    EXPECT_EQ(Ask("SELECT CAST('x' AS pg_catalog.text)"), "x\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM pg_catalog.pg_get_keywords()"), "0\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM generate_series(1, array_upper([7, 8], 1))"), "2\n");
    EXPECT_EQ(Ask("SELECT typname FROM pg_catalog.pg_type WHERE typreceive != 0 AND typname = 'int8'"), "int8\n");
    EXPECT_EQ(Ask("SELECT json_build_object('a', 1)"), "{\"a\":1}\n");
    EXPECT_EQ(Ask("SELECT setting FROM pg_settings WHERE name = 'default_transaction_isolation'"), "repeatable read\n");
}

// DuckDB plans json_object only once it knows the values; clients ask for the columns before.
TEST_F(PgTest, ColumnsAreToldAlsoWhereAFunctionWaitsForValues) {
    auto session = engine->OpenSession({.principal = security::Principal::System("test")}).value();
    auto statement = session->Prepare(
        "SELECT carrier, (SELECT json_build_object($1::VARCHAR, f.carrier) WHERE f.carrier != $2) AS j "
        "FROM delays.flights f WHERE carrier = ANY (ARRAY[$3::VARCHAR]) ORDER BY 1");
    ASSERT_TRUE(statement.ok()) << statement.error().ToString();
    const StatementInfo& info = (*statement)->info();
    ASSERT_EQ(info.columns.size(), 2U);
    EXPECT_EQ(info.columns[0].name + " " + info.columns[0].type, "carrier VARCHAR");
    EXPECT_EQ(info.columns[1].name, "j");
    EXPECT_EQ(info.parameter_types.size(), 3U);
    auto rows = (*statement)->Execute({SqlValue("k"), SqlValue("z"), SqlValue("a")});
    ASSERT_TRUE(rows.ok()) << rows.error().ToString();
    auto chunk = (*rows)->Next();
    ASSERT_TRUE(chunk.ok() && *chunk != nullptr);
    EXPECT_EQ((*chunk)->Text(0, 1), "{\"k\":\"a\"}");
}

TEST_F(PgTest, ParametersThatNothingTellsTheTypeOfAreText) {
    auto session = engine->OpenSession({.principal = security::Principal::System("test")}).value();
    auto statement = session->Prepare("SELECT $1, $2, count(*) FROM t", {"INTEGER", ""});
    ASSERT_TRUE(statement.ok()) << statement.error().ToString();
    EXPECT_EQ((*statement)->info().columns.size(), 3U);
    EXPECT_EQ((*statement)->info().parameter_types, std::vector<std::string>({"INTEGER", "VARCHAR"}));
    auto any = session->Prepare("SELECT carrier FROM delays.flights WHERE carrier = ANY($1)");
    ASSERT_TRUE(any.ok()) << any.error().ToString();
    EXPECT_EQ((*any)->info().parameter_types, std::vector<std::string>({"VARCHAR[]"}));
    auto rows = (*any)->Execute({SqlValue("[x, a]")});
    ASSERT_TRUE(rows.ok()) << rows.error().ToString();
    auto chunk = (*rows)->Next();
    ASSERT_TRUE(chunk.ok() && *chunk != nullptr);
    EXPECT_EQ((*chunk)->Text(0, 0), "a");
}

TEST_F(PgTest, SetConfigOfWhatHasNoEffect) {
    EXPECT_EQ(Ask("SELECT current_setting('jit') AS cur, set_config('jit', 'off', false) AS new"), "off|off\n");
    EXPECT_EQ(Ask("SELECT set_config('search_path', 'x', false)").substr(0, 5), "0A000");
    EXPECT_EQ(Ask("SELECT set_config('memory_limit', '1TB', false)").substr(0, 5), "0A000");
    EXPECT_EQ(Ask("SELECT stats(a) FROM t").substr(0, 5), "42501");
}

TEST_F(PgTest, PsqlDescribesATable) {
    std::string oid = Oid("delays.flights");
    EXPECT_EQ(Ask("SELECT c.oid,\n  n.nspname,\n  c.relname\nFROM pg_catalog.pg_class c\n     LEFT JOIN "
                  "pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n"
                  "WHERE c.relname OPERATOR(pg_catalog.~) '^(flights)$' COLLATE pg_catalog.default\n  AND n.nspname "
                  "OPERATOR(pg_catalog.~) '^(delays)$' COLLATE pg_catalog.default\nORDER BY 2, 3;"),
              oid + "|delays|flights\n");
    EXPECT_EQ(Ask("SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, "
                  "c.relforcerowsecurity, false AS relhasoids, "
                  "c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE "
                  "c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, "
                  "c.relreplident, am.amname\nFROM pg_catalog.pg_class c\n LEFT JOIN pg_catalog.pg_class tc ON "
                  "(c.reltoastrelid = tc.oid)\nLEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)\n"
                  "WHERE c.oid = '" +
                  oid + "';"),
              "0|r|f|f|f|f|f|f|f||0||p|n|NULL\n");
    EXPECT_EQ(Ask("SELECT a.attname,\n  pg_catalog.format_type(a.atttypid, a.atttypmod),\n  (SELECT "
                  "pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)\n   FROM pg_catalog.pg_attrdef d\n"
                  "   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),\n  a.attnotnull,\n  "
                  "(SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t\n"
                  "   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS "
                  "attcollation,\n  a.attidentity,\n  a.attgenerated\n"
                  "FROM pg_catalog.pg_attribute a\nWHERE a.attrelid = '" +
                  oid + "' AND a.attnum > 0 AND NOT a.attisdropped\nORDER BY a.attnum;"),
              "id|integer|NULL|f|NULL||\ncarrier|text|NULL|f|NULL||\ndelay|numeric(9,2)|NULL|f|NULL||\nat_time|"
              "timestamp with time zone|NULL|f|NULL||\nl|integer[]|NULL|f|NULL||\n");
    for (const std::string& sql : {
             "SELECT pol.polname, pol.polpermissive,\n  CASE WHEN pol.polroles = '{0}' THEN NULL ELSE "
             "pg_catalog.array_to_string(array(select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) "
             "order by 1),',') END,\n"
             "  pg_catalog.pg_get_expr(pol.polqual, pol.polrelid),\n  pg_catalog.pg_get_expr(pol.polwithcheck, "
             "pol.polrelid),\n  CASE pol.polcmd\n    WHEN 'r' THEN 'SELECT'\n    WHEN 'a' THEN 'INSERT'\n    WHEN 'w' "
             "THEN 'UPDATE'\n    WHEN 'd' THEN 'DELETE'\n    END AS cmd\n"
             "FROM pg_catalog.pg_policy pol\nWHERE pol.polrelid = '" +
                 oid + "' ORDER BY 1;",
             "SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS "
             "nsp, stxname,\npg_catalog.pg_get_statisticsobjdef_columns(oid) AS columns,\n  'd' = any(stxkind) AS "
             "ndist_enabled,\n  'f' = any(stxkind) AS deps_enabled,\n  'm' = any(stxkind) AS "
             "mcv_enabled,\nstxstattarget\nFROM pg_catalog.pg_statistic_ext\nWHERE stxrelid = '" +
                 oid + "'\nORDER BY nsp, stxname;",
             "SELECT c.oid::pg_catalog.regclass\nFROM pg_catalog.pg_class c, pg_catalog.pg_inherits i\nWHERE c.oid = "
             "i.inhparent AND i.inhrelid = '" +
                 oid + "'\n  AND c.relkind != 'p' AND c.relkind != 'I'\nORDER BY inhseqno;",
             "SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending, pg_catalog.pg_get_expr(c.relpartbound, "
             "c.oid)\nFROM pg_catalog.pg_class c, pg_catalog.pg_inherits i\nWHERE c.oid = i.inhrelid AND i.inhparent = "
             "'" +
                 oid +
                 "'\nORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', "
                 "c.oid::pg_catalog.regclass::pg_catalog.text;",
             "SELECT pubname\n     , NULL\n     , NULL\nFROM pg_catalog.pg_publication p\n     JOIN "
             "pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid\n     JOIN pg_catalog.pg_class pc ON "
             "pc.relnamespace = pn.pnnspid\nWHERE pc.oid ='" +
                 oid + "' and pg_catalog.pg_relation_is_publishable('" + oid +
                 "')\nUNION\nSELECT pubname\n     , pg_get_expr(pr.prqual, c.oid)\n     , (CASE WHEN pr.prattrs IS NOT "
                 "NULL THEN\n         (SELECT string_agg(attname, ', ')\n           FROM pg_catalog.generate_series(0, "
                 "pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,\n                "
                 "pg_catalog.pg_attribute\n          WHERE attrelid = pr.prrelid AND attnum = prattrs[s])\n        "
                 "ELSE NULL END) FROM pg_catalog.pg_publication p\n     JOIN pg_catalog.pg_publication_rel pr ON p.oid "
                 "= pr.prpubid\n     JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid\nWHERE pr.prrelid = '" +
                 oid +
                 "'\nUNION\nSELECT pubname\n     , NULL\n     , NULL\nFROM pg_catalog.pg_publication p\nWHERE "
                 "p.puballtables AND pg_catalog.pg_relation_is_publishable('" +
                 oid + "')\nORDER BY 1;",
         }) {
        EXPECT_EQ(Ask(sql), "") << sql;
    }
}

TEST_F(PgTest, DriversAtConnect) {
    EXPECT_EQ(Ask("select pg_catalog.version()").substr(0, 10), "PostgreSQL");
    EXPECT_EQ(Ask("select current_schema()"), "main\n");
    EXPECT_EQ(Ask("show standard_conforming_strings"), "on\n");
    EXPECT_EQ(Ask("show transaction isolation level"), "repeatable read\n");
    EXPECT_EQ(Ask("SELECT current_setting('server_version'), current_database(), current_user, session_user"),
              "15.0|tarn|alice|alice\n");
    EXPECT_EQ(Ask("SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON "
                  "pg_catalog.pg_namespace.oid = "
                  "pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p']) AND "
                  "pg_catalog.pg_class.relpersistence != 't' "
                  "AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != "
                  "'pg_catalog'"),
              "flights\nt\n");
    // psycopg 3 looks up a type by its name.
    auto statement = session->Prepare(
        "SELECT t.typname AS name, t.oid AS oid, t.typarray AS array_oid, t.oid::regtype::text AS regtype, t.typdelim "
        "AS delim "
        "FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid");
    ASSERT_TRUE(statement.ok()) << statement.error().ToString();
    auto stream = (*statement)->Execute({SqlValue("json")});
    ASSERT_TRUE(stream.ok()) << stream.error().ToString();
    EXPECT_EQ((*stream)->Next().value()->Text(0, 1), "114");
    // DBeaver
    EXPECT_EQ(
        Ask("SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate").substr(0, 8),
        "5|5|tarn");
    EXPECT_NE(Ask("SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN "
                  "pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 "
                  "AND d.classoid='pg_namespace'::regclass ORDER BY nspname")
                  .find("delays"),
              std::string::npos);
    EXPECT_NE(Ask("SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr,  "
                  "pg_catalog.pg_get_partkeydef(c.oid) as partition_key "
                  "FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND "
                  "d.objsubid=0 AND d.classoid='pg_class'::regclass "
                  "WHERE c.relnamespace=(SELECT oid FROM pg_namespace WHERE nspname = 'delays') AND c.relkind not in "
                  "('i','I','c')")
                  .find("late ones"),
              std::string::npos);
    EXPECT_NE(Ask("SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, "
                  "d.description FROM pg_catalog.pg_type t "
                  "LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description "
                  "d ON t.oid=d.objoid WHERE t.typname IS NOT NULL")
                  .find("numeric"),
              std::string::npos);
    EXPECT_NE(Ask("SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as "
                  "def_value,dsc.description,dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c "
                  "ON (a.attrelid=c.oid) "
                  "LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) LEFT "
                  "OUTER JOIN pg_catalog.pg_description dsc ON (c.oid=dsc.objoid AND a.attnum = dsc.objsubid) "
                  "LEFT OUTER JOIN pg_depend dep on dep.refobjid = a.attrelid AND dep.deptype = 'i' and "
                  "dep.refobjsubid = a.attnum and dep.classid = dep.refclassid WHERE NOT a.attisdropped AND c.relkind "
                  "not in ('i','I','c') AND c.oid=" +
                  Oid("delays.flights") + " ORDER BY a.attnum")
                  .find("carrier"),
              std::string::npos);
}

TEST_F(PgTest, InformationSchema) {
    EXPECT_EQ(Ask("SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY 1"),
              "delays|flights|BASE TABLE\nmain|t|BASE TABLE\n");
    EXPECT_EQ(Ask("SELECT column_name, data_type, numeric_precision FROM information_schema.columns WHERE table_name = "
                  "'flights' AND ordinal_position IN (1, 3) ORDER BY ordinal_position"),
              "id|integer|NULL\ndelay|numeric|9\n");
    EXPECT_EQ(Ask("SHOW TABLES"), "t\n");
    EXPECT_EQ(Ask("SHOW TABLES FROM delays"), "flights\n");
    relations.hidden["delays.flights"].insert("alice");
    EXPECT_EQ(Ask("SELECT table_name FROM information_schema.tables"), "t\n");
    EXPECT_EQ(Ask("SELECT count(*) FROM pg_class WHERE relname = 'flights'"), "0\n");
}

}  // namespace
}  // namespace tarn::engine
