# Runs RabbitMQ in the current folder: the program, then the ports of AMQP, of management, of the
# node's own distribution and of its name server.
server=$1 amqp=$2 management=$3 distribution=$4 names=$5

# A separate name server, in the foreground: the one that RabbitMQ would start leaves this folder and stays.
epmd -port "$names" -address 127.0.0.1 &
until epmd -port "$names" -names > /dev/null 2>&1; do
    kill -0 $! 2> /dev/null || { echo "epmd: Address already in use"; exit 1; }
done

echo '[rabbitmq_management].' > plugins
cat > rabbitmq.conf << END
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $management
log.console = true
log.file = false
END

export ERL_EPMD_PORT=$names
export RABBITMQ_NODENAME=${PWD##*/}@localhost
export RABBITMQ_DIST_PORT=$distribution
# Without this the distribution listens on every interface.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
export RABBITMQ_CONF_ENV_FILE=$PWD/none
export RABBITMQ_CONFIG_FILE=$PWD/rabbitmq.conf
export RABBITMQ_ADVANCED_CONFIG_FILE=$PWD/none
export RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/plugins
export RABBITMQ_MNESIA_BASE=$PWD/data
export RABBITMQ_LOG_BASE=$PWD/logs
export RABBITMQ_PID_FILE=$PWD/pid
exec "$server"
