# What Heroku's Java buildpack documents for the start of a dyno: JDBC_DATABASE_URL, out of DATABASE_URL.
if [[ ${DATABASE_URL:-} =~ ^postgres://([^:]+):([^@]+)@([^?]+) ]]; then
  export JDBC_DATABASE_URL="jdbc:postgresql://${BASH_REMATCH[3]}?password=${BASH_REMATCH[2]}&sslmode=require&user=${BASH_REMATCH[1]}"
fi
